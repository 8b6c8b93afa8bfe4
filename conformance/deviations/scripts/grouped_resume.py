"""Resumed inside the second epoch, training grouped by length sees other batches.

Documented: TrainingArguments.ignore_data_skip=False, the default, skips "to get the data loading
at the same stage as in the previous training"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: some examples of the epoch come twice and some not at all.

Why: transformers/trainer_pt_utils.py, LengthGroupedSampler draws each epoch's order from torch's
global generator, as transformers/trainer.py, Trainer._get_train_sampler gives it none of its own.
Trainer._run_epoch restores that generator's state only after the order has been drawn and the
batches skipped (rng_to_sync), so the order is another than that of the interrupted training.
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
# older releases have another argument for it
GROUPED = {"train_sampling_strategy": "group_by_length"}
if not hasattr(TrainingArguments, "train_sampling_strategy"):
    GROUPED = {"group_by_length": True}


class Recorder:
    """A collator that remembers the examples by their first tokens, which all differ."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        (row,) = (example["input_ids"] for example in batch)
        self.seen.append(row[0])
        return {"input_ids": torch.tensor([row]), "labels": torch.tensor([row])}


def train(folder: str, checkpoint: str | None = None) -> list[int]:
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        num_train_epochs=2,
        per_device_train_batch_size=1,
        **GROUPED,
        save_strategy="steps",
        save_steps=12,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    data = [{"input_ids": [first] * (4 + first % 5)} for first in range(10, 20)]
    recorder = Recorder()
    trainer = Trainer(model, arguments, data_collator=recorder, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    return recorder.seen


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(
    "group_by_length, 2 epochs of 10 examples; again from checkpoint-12: examples of steps 13 to 20"
)
with tempfile.TemporaryDirectory() as output_dir:
    expected = train(output_dir)[12:]
    got = train(output_dir, f"{output_dir}/checkpoint-12")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
