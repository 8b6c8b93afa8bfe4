"""With persistent workers evaluate goes through the first dataset it was given, again and again.

Documented: Trainer.evaluate, eval_dataset, "Pass a dataset if you wish to override
self.eval_dataset" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the second dataset's loss is the first one's, to the last digit.

Why: transformers/trainer.py, get_eval_dataloader keeps loaders by the dataset's name where workers
persist; a dataset that is given has no name, and they all share one key.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def examples(first: int) -> list[dict[str, torch.Tensor]]:
    """Four sequences."""
    rows = [torch.arange(8) + first + n for n in range(4)]
    return [{"input_ids": row, "labels": row} for row in rows]


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj"]))
with tempfile.TemporaryDirectory() as folder:
    args = TrainingArguments(
        folder,
        dataloader_num_workers=1,
        dataloader_persistent_workers=True,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, args)
    one, other = (trainer.evaluate(examples(first))["eval_loss"] for first in (0, 30))
print("evaluate(one), evaluate(another), with dataloader_persistent_workers=True")
print(f"got:      eval_loss {one} and {other}\nexpected: two losses")
sys.exit(one == other)
