"""Seeing a loss scaler at work: its scale around every optimizer step, and whether it skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

SAFE = 2.0**8
"""A scale under which no gradient of a tiny model overflows float16."""
TOO_LARGE = 2.0**127
"""A scale under which every loss does, float32's too."""
FILE = "scaler.pt"


@dataclass(frozen=True, slots=True)
class Scale:
    """One optimizer step: the scale before and after, steps without overflow so far."""

    before: float
    after: float
    tracked: int
    skipped: bool


class ScalerWatch(TrainerCallback):  # type: ignore[misc]
    """Keeps the scale of every step; ``start``, where it is given, is what the first one has.

    ``first`` is the scale that training begins with; `None` where no loss is scaled.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.start = start
        self.first: float | None = None
        self.steps: list[Scale] = []
        self._before = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """A checkpoint's state has been loaded by now."""
        scaler = getattr(seen["optimizer"], "scaler", None)
        if scaler is None or not scaler.is_enabled():
            return
        if self.start:
            scaler.load_state_dict({**scaler.state_dict(), "scale": self.start})
        self.first = self._before = float(scaler.get_scale())

    def on_step_end(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """The scaler has been updated by now."""
        if self.first is None:
            return
        held = seen["optimizer"].scaler.state_dict()
        skipped = bool(seen["optimizer"].step_was_skipped)
        self.steps.append(Scale(self._before, held["scale"], held["_growth_tracker"], skipped))
        self._before = held["scale"]


def saved(checkpoint: Path) -> Mapping[str, Any]:
    """The scaler's state in a checkpoint; empty where there is none."""
    path = checkpoint / FILE
    return dict(torch.load(path, weights_only=True)) if path.is_file() else {}
