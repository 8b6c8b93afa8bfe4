"""Data without a length: a shorter last window of a pass takes no step, and its gradient stays.

Documented: gradient_accumulation_steps, "number of updates steps to accumulate the gradients for,
before performing a backward/update pass"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: with 3 micro-batches a pass and 2 a step, the third one's gradient is added to those of the
first two of the next pass, each scaled by another count: a step over 3 micro-batches.

Why: transformers/trainer.py, Trainer.set_initial_training_values takes a pass of such data to have
max_steps x accumulation batches. So in Trainer._run_epoch the last micro-batch of a pass is neither
a multiple of the accumulation nor step + 1 == steps_in_epoch: do_sync_step is False, the pass ends,
and step begins at -1 again while the gradients are kept.
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


class Counting(Trainer):
    """Counts the micro-batches before each optimizer step."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.counts: list[int] = []
        self.since = 0

    def training_step(self, *arguments, **named):
        self.since += 1
        return super().training_step(*arguments, **named)

    def step_taken(self, *_) -> None:
        self.counts.append(self.since)
        self.since = 0


def train(folder: str) -> list[int]:
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        max_steps=4,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Counting(model, arguments, train_dataset=Stream())
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.create_optimizer()
    trainer.optimizer.register_step_post_hook(trainer.step_taken)
    trainer.train()
    return trainer.counts


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("3 streamed examples, batch 1, accumulation 2, 4 steps: micro-batches of each step")
with tempfile.TemporaryDirectory() as output_dir:
    got = train(output_dir)
expected = [2, 1, 2, 1]
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
