"""SFTTrainer trains the adapter of a quantized model in bfloat16, and after a resume in float32.

Documented: "training will resume from the model/optimizer/scheduler states loaded here" for
Trainer.train(resume_from_checkpoint=...); TRL casts the adapter of a QLoRA model to bfloat16, "to
follow the recommendations from the original paper" (trl/trainer/sft_trainer.py).

Instead: the resumed training goes on with other numbers, in another precision.

Why: SFTTrainer casts in `__init__`, and Trainer._load_from_checkpoint then loads the checkpoint
with peft's default autocast_adapter_dtype=True, which makes the adapter float32.
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
from transformers import (
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

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
        LlamaForCausalLM.from_pretrained(
            f"{folder}/base", quantization_config=BitsAndBytesConfig(load_in_4bit=True)
        ),
        arguments,
        train_dataset=datasets.Dataset.from_list([{"input_ids": r, "labels": r} for r in rows]),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=WORDS, pad_token="0"),  # noqa: S106
        peft_config=config,
    )
    built.remove_callback(transformers.PrinterCallback)
    return built


def kinds(model: torch.nn.Module) -> str:
    return ", ".join(sorted({str(p.dtype) for p in model.parameters() if p.requires_grad}))


class Seen(transformers.TrainerCallback):
    def on_train_begin(self, args, state, control, model, **_):
        self.kinds = kinds(model)


def begun(built: trl.SFTTrainer, **named: str) -> str:
    seen = Seen()
    built.add_callback(seen)
    built.train(**named)
    return seen.kinds


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        LlamaForCausalLM(LLAMA).save_pretrained(f"{folder}/base")
        expected = begun(trainer(folder))
        got = begun(trainer(folder), resume_from_checkpoint=f"{folder}/checkpoint-2")
    versions = f"trl {trl.__version__}, peft {peft.__version__}"
    print(f"transformers {transformers.__version__}, {versions}")
    print(f"got: an adapter in {got} when resumed at step 2")
    print(f"expected: {expected}")
    return int(got != expected)


if __name__ == "__main__":
    sys.exit(main())
