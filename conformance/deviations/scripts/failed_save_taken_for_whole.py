"""A checkpoint that could not be written whole is what resume_from_checkpoint=True takes.

Documented: Trainer.train(resume_from_checkpoint=True), "load the last checkpoint in
args.output_dir as saved by a previous instance of Trainer"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: train() raises while checkpoint-2 is written, as it should, and leaves what it had written;
the next train(resume_from_checkpoint=True) takes that for the last checkpoint and fails, though
checkpoint-1 is whole.

Why: transformers/trainer.py, Trainer._save_checkpoint writes file after file into the final folder
and removes nothing when one fails, and transformers/trainer_utils.py, get_last_checkpoint takes the
folder with the greatest number, whatever it holds.
"""

import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
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


class FullDisk(TrainerCallback):
    """From the second step on, no file may grow beyond 600 bytes."""

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, LIMITS[1]))


def train(folder: str, checkpoint: bool, *callbacks: TrainerCallback) -> str:
    torch.manual_seed(0)
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig(task_type="CAUSAL_LM"))
    arguments = TrainingArguments(
        folder,
        max_steps=3,
        save_strategy="steps",
        save_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=list(callbacks))
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).replace(folder, '...')}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, LIMITS)
    return f"trained to step {trainer.state.global_step}"


LIMITS = resource.getrlimit(resource.RLIMIT_FSIZE)
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("the disk fills while checkpoint-2 is written; again with room, resume_from_checkpoint=True")
with tempfile.TemporaryDirectory() as output_dir:
    print(f"first: {train(output_dir, False, FullDisk())}")
    print(f"left behind: {sorted(path.name for path in Path(output_dir).iterdir())}")
    got = train(output_dir, True)
expected = "trained to step 3"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
