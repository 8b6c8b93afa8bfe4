"""SFTTrainer cannot train single tokens of an embedding that is tied to the output layer.

Documented: trainable_token_indices "lets you specify which token indices to selectively fine-tune"
(https://huggingface.co/docs/peft/package_reference/lora), tied weights included, and SFTTrainer
refuses adapters on the output layer alone. Trainer trains them.

Instead: the first step raises AttributeError.

Why: trl/trainer/utils.py, add_fused_lm_head reads `lm_head.weight` and `lm_head.bias` of
`get_output_embeddings()`. With tied weights peft has replaced that layer by a
TrainableTokensWrapper, which hands on the one and has not the other.
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
    tie_word_embeddings=True,
)
WORDS = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(n): n for n in range(64)}, "0"))


def steps(folder: str) -> int:
    torch.manual_seed(0)
    config = peft.LoraConfig(
        target_modules=["q_proj", "v_proj"],
        trainable_token_indices={"embed_tokens": [3, 5]},
        task_type="CAUSAL_LM",
    )
    arguments = trl.SFTConfig(
        folder,
        max_steps=1,
        per_device_train_batch_size=1,
        bf16=False,
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (1, 8)).tolist()
    trainer = trl.SFTTrainer(
        LlamaForCausalLM(LLAMA),
        arguments,
        train_dataset=datasets.Dataset.from_list([{"input_ids": r, "labels": r} for r in rows]),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=WORDS, pad_token="0"),  # noqa: S106
        peft_config=config,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return int(trainer.train().global_step)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = f"{steps(folder)} step"
        except AttributeError as error:
            got = f"AttributeError: {error}"
    versions = f"trl {trl.__version__}, peft {peft.__version__}"
    print(f"transformers {transformers.__version__}, {versions}")
    print(f"got: {got}")
    print("expected: 1 step")
    return int(got != "1 step")


if __name__ == "__main__":
    sys.exit(main())
