"""A training by the `Trainer`, timed by a callback."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainingArguments

from conformance import compat

from .by_hand import CLIPPED, LEARNING_RATE
from .cases import Training, method
from .devices import Device
from .packed import Packed
from .windows import Stopwatch

ENDLESS = 10**9
"""Optimizer steps planned; the stopwatch ends the training."""


@dataclass(slots=True)
class Trained:
    """What is seen of one call of `Trainer.train`; ``losses`` as logged, a checkpoint if asked."""

    losses: list[float] = field(default_factory=list)
    checkpoint_seconds: float = 0.0
    checkpoint_bytes: int = 0
    world_size: int = 1


class Timing(TrainerCallback):  # type: ignore[misc]
    """Tells a stopwatch of every optimizer step, and ends the training when it is done."""

    def __init__(self, stopwatch: Stopwatch, saving: bool) -> None:
        self.stopwatch = stopwatch
        self.saving = saving
        self.seconds = 0.0
        self._asked = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An optimizer step is done; the checkpoint is written after the last one alone."""
        if self.stopwatch.step():
            control.should_training_stop = True
            control.should_save = self.saving
            self.stopwatch.synchronise()
            self._asked = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The checkpoint is there."""
        self.seconds = time.perf_counter() - self._asked


def train(
    model: Any,
    data: Packed,
    training: Training,
    device: Device,
    stopwatch: Stopwatch,
    *,
    folder: Path,
    asked: dict[str, Any],
    saving: bool,
) -> Trained:
    """Train until the stopwatch has its windows, as the documented recipe does.

    ``asked`` are further arguments; with ``saving`` a checkpoint is written below ``folder``.
    """
    compat.reset_accelerate()
    timing = Timing(stopwatch, saving)
    trainer = Trainer(
        model=model,
        args=_arguments(training, device, folder, asked),
        train_dataset=data,
        callbacks=[timing],
    )
    trainer.train()
    history = trainer.state.log_history
    seen = Trained([float(entry["loss"]) for entry in history if "loss" in entry])
    seen.world_size = trainer.args.world_size
    if saving:
        seen.checkpoint_seconds = timing.seconds
        written = folder / f"checkpoint-{trainer.state.global_step}"
        seen.checkpoint_bytes = sum(p.stat().st_size for p in written.rglob("*") if p.is_file())
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    return seen


def _arguments(
    training: Training, device: Device, folder: Path, asked: dict[str, Any]
) -> TrainingArguments:
    how = method(training.method)
    wanted: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": training.batch,
        "gradient_accumulation_steps": training.accumulation,
        "max_steps": ENDLESS,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "max_grad_norm": CLIPPED,
        "logging_steps": 10,
        "save_strategy": "no",
        "bf16": True,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": device.name == "cpu",
        **asked,
    }
    if how.checkpointed:
        wanted["gradient_checkpointing"] = True
        wanted["gradient_checkpointing_kwargs"] = {"use_reentrant": False}
    return compat.training_arguments(TrainingArguments, {}, **wanted)
