"""An epoch that a callback stops inside an accumulation window leaves its gradients behind.

Documented: TrainerControl.should_epoch_stop, "whether or not the current epoch should be
interrupted" (https://huggingface.co/docs/transformers/main_classes/callback).

Instead: the next epoch's first optimizer step is taken with the gradients of the window that was
given up, added to those of its own micro-batches.

Why: transformers/trainer.py, Trainer._run_epoch breaks off after on_substep_end, and nothing zeroes
gradients until the next optimizer step has been taken: model.zero_grad() comes after steps alone.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

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
torch.manual_seed(0)
ROWS = torch.randint(3, 64, (6, 8))
DATA = [{"input_ids": row, "labels": row} for row in ROWS]


def model() -> peft.PeftModel:
    torch.manual_seed(0)
    return peft.get_peft_model(
        LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj", "v_proj"])
    )


class Watching(TrainerCallback):
    """Stops the first epoch at an event after step 1; keeps the gradient's norm of every step."""

    def __init__(self, event: str) -> None:
        self.event, self.norms, self.stopped = event, [], False

    def _stop(self, state, control, event):
        if event == self.event and state.global_step == 1 and not self.stopped:
            self.stopped = control.should_epoch_stop = True

    def on_step_end(self, args, state, control, **_):
        self._stop(state, control, "on_step_end")

    def on_substep_end(self, args, state, control, **_):
        self._stop(state, control, "on_substep_end")

    def on_pre_optimizer_step(self, args, state, control, model, **_):
        gradients = [p.grad.norm() for p in model.parameters() if p.grad is not None]
        self.norms.append(round(float(torch.stack(gradients).norm()), 6))


def second_step(folder: str, event: str) -> float:
    """The gradient's norm in the first step after the epoch was stopped at this event."""
    watching = Watching(event)
    arguments = TrainingArguments(
        folder,
        num_train_epochs=2,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=3,
        max_grad_norm=0,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
    )
    Trainer(model(), arguments, train_dataset=DATA, callbacks=[watching]).train()
    return watching.norms[1]


def measure(folder: str) -> tuple[str, str]:
    inside, outside = (second_step(folder, e) for e in ("on_substep_end", "on_step_end"))
    return f"a gradient of norm {inside}", f"a gradient of norm {outside}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("2 epochs, accumulation 3; a callback stops the first in on_substep_end after step 1")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
