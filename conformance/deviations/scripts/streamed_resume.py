"""Resumed after data without a length had begun again, training starts at their first batch.

Documented: TrainingArguments.ignore_data_skip=False, the default, skips "seen data (slower resume
but exact continuation)" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the rest of the pass is not trained on; the next pass is.

Why: transformers/trainer.py, Trainer.set_initial_training_values takes a pass of such data to have
max_steps updates. Trainer._init_training_state so reckons every checkpoint to the first pass, and
Trainer._run_epoch skips as many batches of it as were trained on in all: more than it has. The pass
is empty, and training goes on with the first batch of another.
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
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)
FIRST = range(10, 13)


class Stream(torch.utils.data.IterableDataset):
    """Three examples whose first tokens differ."""

    def __iter__(self):
        return iter([{"input_ids": [first] * 4, "labels": [first] * 4} for first in FIRST])


class Recording(Trainer):
    """Remembers the examples it trains on by their first tokens, which all differ."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.seen: list[int] = []

    def training_step(self, model, inputs, *rest, **named):
        self.seen += inputs["input_ids"][:, 0].tolist()
        return super().training_step(model, inputs, *rest, **named)


def train(folder: str, checkpoint: str | None = None) -> list[int]:
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        max_steps=6,
        per_device_train_batch_size=1,
        save_steps=4,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Recording(model, arguments, train_dataset=Stream())
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer.seen[-2:]


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("3 streamed examples, 6 steps; again from checkpoint-4: examples of the last 2 steps")
with tempfile.TemporaryDirectory() as output_dir:
    expected = train(output_dir)
    got = train(output_dir, f"{output_dir}/checkpoint-4")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
