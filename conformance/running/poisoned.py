"""Loss functions of one's own that hand back, once, what is no number."""

from typing import Any

import torch

from conformance import compat
from conformance.scenarios import Scenario

from .losses import loss_function


class Poisoned:
    """The custom loss of a scenario, with ``value`` (NaN or infinite) added in one micro-batch.

    The gradient of a sum does not see what was added; with ``gradient`` the loss is multiplied by
    ``value`` instead, which the gradient does see. Micro-batches are counted from 1; with ``at`` 0
    it is the plain loss.
    """

    def __init__(self, scenario: Scenario, at: int, value: float, gradient: bool = False) -> None:
        loss = loss_function(scenario.but(custom_loss=True))
        assert loss is not None
        self.loss = loss
        self.at = at
        self.value = value
        self.gradient = gradient
        self.calls = 0

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The loss of one micro-batch."""
        loss = self.loss(outputs, labels, num_items_in_batch)
        self.calls += 1
        if self.calls != self.at:
            return loss
        return loss * self.value if self.gradient else loss + self.value


def poisoned(scenario: Scenario, at: int, value: float, gradient: bool = False) -> dict[str, Any]:
    """The Trainer's options for such a loss; raises `Unavailable` where it takes none."""
    return compat.custom_loss(Poisoned(scenario, at, value, gradient))
