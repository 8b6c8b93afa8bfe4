"""Resumed inside an epoch, training on examples that are drawn anew whenever they are taken, as
augmented or masked ones are, sees other ones than the uninterrupted training.

Documented: Trainer.train(), resume_from_checkpoint, "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer); checkpoints hold the states of
Python's, numpy's and torch's generators for it.

Instead: what is drawn after the resume is not what was drawn without it.

Why: transformers/trainer.py, Trainer._run_epoch restores the generators' states after
get_batch_samples has taken the first batches of the resumed epoch (rng_to_sync), so these are drawn
by the seed. And accelerate/data_loader.py, DataLoaderShard.__iter__ takes each batch while the one
before it is trained on: the states that were saved are those after one more draw.
"""

import os
import random
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


class Drawing:
    """A collator that draws the first token of an example, and remembers it."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def __call__(self, batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        (row,) = (example["input_ids"] for example in batch)
        self.drawn.append(random.randrange(3, 64))
        tokens = torch.tensor([[self.drawn[-1], *row]])
        return {"input_ids": tokens, "labels": tokens}


def train(folder: str, checkpoint: str | None = None) -> list[int]:
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        num_train_epochs=1,
        per_device_train_batch_size=1,
        save_strategy="steps",
        save_steps=4,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    data = [{"input_ids": [number] * 4} for number in range(10, 20)]
    collator = Drawing()
    trainer = Trainer(model, arguments, data_collator=collator, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    return collator.drawn


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("10 examples; again from checkpoint-4: the numbers drawn for steps 5 to 10")
with tempfile.TemporaryDirectory() as output_dir:
    expected = train(output_dir)[4:]
    got = train(output_dir, f"{output_dir}/checkpoint-4")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
