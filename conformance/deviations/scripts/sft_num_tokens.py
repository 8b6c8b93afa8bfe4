"""The num_tokens that SFTTrainer logs begin at zero again after a resume.

Documented: num_tokens is "the total number of tokens processed so far"
(https://huggingface.co/docs/trl/sft_trainer), and resume_from_checkpoint goes on with the training.

Instead: resumed at step 2, the log of step 3 counts the tokens of step 3 alone.

Why: trl/trainer/sft_trainer.py, SFTTrainer counts in `self._total_train_tokens`, set to 0 in
`__init__`; nothing writes it into a checkpoint or takes it from the log history there.
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
        train_dataset=datasets.Dataset.from_list([{"input_ids": r, "labels": r} for r in rows]),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=WORDS, pad_token="0"),  # noqa: S106
        peft_config=config,
    )
    built.remove_callback(transformers.PrinterCallback)
    return built


def logged(built: trl.SFTTrainer) -> list[float]:
    return [entry["num_tokens"] for entry in built.state.log_history if "num_tokens" in entry]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        whole = trainer(folder)
        whole.train()
        resumed = trainer(folder)
        resumed.train(resume_from_checkpoint=f"{folder}/checkpoint-2")
    got, expected = logged(resumed), logged(whole)
    versions = f"trl {trl.__version__}, peft {peft.__version__}"
    print(f"transformers {transformers.__version__}, {versions}")
    print(f"got: num_tokens {got} when resumed at step 2")
    print(f"expected: {expected}")
    return int(got != expected)


if __name__ == "__main__":
    sys.exit(main())
