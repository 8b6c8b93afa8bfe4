"""A polynomial schedule with a warm-up over all steps ends in an error after the last step.

Documented: warmup_steps, "number of steps for a linear warmup from 0 to learning_rate", and
lr_scheduler_type (https://huggingface.co/docs/transformers/main_classes/trainer); the other
schedules end such a training as they should.

Instead: ZeroDivisionError, and train() returns nothing.

Why: transformers/optimization.py, _get_polynomial_decay_schedule_with_warmup_lr_lambda divides by
num_training_steps - num_warmup_steps as soon as the warm-up is over, which here is when the
scheduler is stepped after the last step. The others divide by max(1, …).
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


def train(folder: str) -> str:
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        warmup_steps=2,
        lr_scheduler_type="polynomial",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (16, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        return f"{trainer.train().global_step} steps"
    except ZeroDivisionError as error:
        return f"ZeroDivisionError: {error}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("polynomial, 2 steps of which 2 are warm-up")
with tempfile.TemporaryDirectory() as output_dir:
    got = train(output_dir)
expected = "2 steps"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
