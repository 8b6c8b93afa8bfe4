"""`Bench`: measurements of one run of the suite, each made once."""

from dataclasses import replace

from conformance import cards
from conformance.compat import Unavailable
from conformance.device import CPU, CUDA

from . import figures
from .cases import Training
from .fresh_process import measured
from .measuring import Measured, Order

SHORT = 0.02
"""Seconds of a window on a CPU, where the way is tried."""


def ordered(training: Training, device: str) -> Order:
    """What is measured of a training on a device."""
    order = Order(training, device)
    return replace(order, shortest=SHORT) if device == CPU else order


class Bench:
    """Measures trainings on a device, in fresh processes, one after the other.

    Calling it raises what `fresh_process.measured` raises, and `Unavailable` where others use the
    card.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._found: dict[Training, Measured] = {}

    def __call__(self, training: Training) -> Measured:
        """What measuring this training gave."""
        if training not in self._found:
            if self.device == CUDA and (users := cards.users()):
                raise Unavailable(f"the card is in use: {users}")
            self._found[training] = measured(ordered(training, self.device))
        return self._found[training]

    def speed(self, training: Training) -> figures.Figures:
        """Its figures on this card, and what others state for it."""
        found = figures.speed(self(training), self._card())
        if self.device == CPU:
            found["on_cpu"] = "figures of a CPU mean nothing: the way was tried, not the speed"
        return {**found, **figures.published(training.shape, training.method)}

    def _card(self) -> str:
        looks = cards.look() if self.device == CUDA else ()
        return looks[0].read["name"] if looks else ""
