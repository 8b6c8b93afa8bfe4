"""A just-in-time checkpoint is not what the training was at that step.

Documented: TrainingArguments.enable_jit_checkpoint, "Enable Just-In-Time checkpointing on SIGTERM
signal for graceful termination on preemptible workloads", and Trainer.train(), "training will
resume from the model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: where SIGTERM comes while a step is computed, the resumed training ends with another
adapter than the uninterrupted one; where it comes just after the optimizer's step, the log history
lacks the entry of that step.

Why: transformers/trainer_jit_checkpoint.py, JITCheckpointCallback saves from within
on_pre_optimizer_step, when the forward pass has drawn its dropout and global_step is still that of
the step before, so that the resumed training draws other masks; and from within on_step_end, before
Trainer._maybe_log_save_evaluate logs the step.
"""

import os
import signal
import sys
import tempfile
import threading
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


class Told(TrainerCallback):
    """SIGTERM in an event of the third step; then the three seconds that the Trainer waits."""

    def __init__(self, event: str) -> None:
        setattr(self, event, self.tell)

    def tell(self, args, state, control, **kwargs):
        if state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            for thread in threading.enumerate():
                if isinstance(thread, threading.Timer):
                    thread.join()


def train(folder: str, resume: bool = False, *callbacks: TrainerCallback) -> tuple:
    torch.manual_seed(0)
    config = peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.5)
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=6,
        learning_rate=0.01,
        logging_steps=1,
        enable_jit_checkpoint=bool(callbacks),
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (48, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=list(callbacks))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=resume)
    held = [parameter.detach().clone() for parameter in model.parameters()]
    return held, [entry["step"] for entry in trainer.state.log_history if "loss" in entry]


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("6 steps; again with SIGTERM in the third one, and resume_from_checkpoint=True")
with tempfile.TemporaryDirectory() as output_dir:
    whole, logged = train(output_dir)
wrong = []
for event in ("on_step_begin", "on_optimizer_step", "on_step_end"):
    with tempfile.TemporaryDirectory() as output_dir:
        train(output_dir, False, Told(event))
        saved = [path.name for path in Path(output_dir).iterdir()]
        resumed, entries = train(output_dir, True)
    same = all(map(torch.equal, resumed, whole))
    print(f"{event}: saved {saved}, the same adapter: {same}, steps in the log history: {entries}")
    wrong += [] if same and entries == logged else [event]
print(f"got:      another training after {wrong}\nexpected: the same one after each")
sys.exit(bool(wrong))
