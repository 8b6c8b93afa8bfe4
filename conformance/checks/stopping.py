"""Early stopping by hand: at which evaluation a sequence of metrics stops a training.

Source: EarlyStoppingCallback, "stop training when the specified metric worsens for
`early_stopping_patience` evaluation calls", its threshold "how much the specified metric must
improve":
https://huggingface.co/docs/transformers/main_classes/callback#transformers.EarlyStoppingCallback
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True, slots=True)
class Stopping:
    """How an early stopping is set up; ``rising`` says that greater is better."""

    patience: int
    threshold: float = 0.0
    rising: bool = False

    def callback(self) -> Any:
        """The libraries' callback, set up like this."""
        from transformers import EarlyStoppingCallback

        return EarlyStoppingCallback(self.patience, self.threshold)

    def after(self, values: Iterable[float]) -> int:
        """The number (from 1) of the evaluation that stops the training; 0 when none does.

        Improvements count from the best value before, however small the step to that one was.
        """
        best, waited = -inf, 0
        for number, value in enumerate(values, 1):
            signed = value if self.rising else -value
            waited = 0 if signed - best > self.threshold else waited + 1
            best = max(best, signed)
            if waited >= self.patience:
                return number
        return 0

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The training arguments that name the metric of `Scores`."""
        return {"metric_for_best_model": "score", "greater_is_better": self.rising}


class Scores:
    """A `compute_metrics` whose ``score`` is the next value of a given sequence."""

    def __init__(self, values: Iterable[float]) -> None:
        self._left = list(values)

    def __call__(self, prediction: Any) -> dict[str, float]:
        """The metrics of one evaluation."""
        return {"score": self._left.pop(0)}
