"""A batch without labels ends SFTTrainer in an error that does not say what is missing.

Documented: Trainer.compute_loss, "by default, all models return the loss in the first element"
(https://huggingface.co/docs/transformers/main_classes/trainer); where there is none the Trainer
raises "The model did not return a loss from the inputs".

Instead: TypeError: 'NoneType' object is not subscriptable, in the forward pass.

Why: trl/trainer/utils.py, _fused_forward, which SFTTrainer puts in place of the model's own, shifts
`labels[:, 1:]` without asking whether there are any.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import peft
import tokenizers
import torch
import transformers
import trl
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)
WORDS = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(n): n for n in range(64)}, "0"))


def trainer(folder: str) -> trl.SFTTrainer:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = trl.SFTConfig(
        folder,
        max_steps=3,
        per_device_train_batch_size=1,
        logging_steps=1,
        save_steps=1,
        bf16=False,
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (3, 8)).tolist()
    built = trl.SFTTrainer(
        LlamaForCausalLM(LLAMA),
        arguments,
        train_dataset=datasets.Dataset.from_list([{"input_ids": r} for r in rows]),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=WORDS, pad_token="0"),  # noqa: S106
        peft_config=config,
        data_collator=transformers.default_data_collator,
    )
    built.remove_callback(transformers.PrinterCallback)
    return built


def main() -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            trainer(folder).train()
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return "trained without labels"


print(f"transformers {transformers.__version__}, trl {trl.__version__}, peft {peft.__version__}")
print("SFTTrainer on tokens alone, batches made by default_data_collator")
got = main()
print(f"got:      {got}\nexpected: an error that says that there are no labels, or no loss")
sys.exit("labels" not in got and "loss" not in got)
