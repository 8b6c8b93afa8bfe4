"""Measuring two sides in turns, each time in a fresh process: A B, B A, A B …

With both sides the same it tells how far apart measurements of the same lie on a card.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.records import RecordError, write_atomically
from conformance.records.reading import parse, text_of

from .comparing import REFUSED, Compared, configured, judged, same_card
from .fresh_process import Attempt, measured
from .measuring import TRAINER, Measured, Order
from .statistics import shift, threshold

FEWEST = 3  # pairs, without which a calibration says nothing

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Turns:
    """What both sides measured, pair by pair."""

    before: tuple[Measured, ...]
    after: tuple[Measured, ...]

    @property
    def shifts(self) -> list[float]:
        """Of each pair by itself."""
        pairs = zip(self.before, self.after, strict=True)
        return [shift(one.samples[TRAINER], two.samples[TRAINER]).value for one, two in pairs]

    @property
    def apart(self) -> str:
        """In which way the two sides were not of the same configuration; empty where they were."""
        first = self.before[0].figures
        each = (configured(first, found.figures) for found in (*self.before, *self.after))
        return next(filter(None, each), "")


def in_turns(order: Order, before: Attempt, after: Attempt, pairs: int, say: Say) -> Turns:
    """Measure both sides ``pairs`` times; every other pair begins with the second side."""
    sides: dict[str, list[Measured]] = {"A": [], "B": []}
    ways = {"A": before, "B": after}
    for pair in range(pairs):
        for side in "AB" if pair % 2 == 0 else "BA":
            say(f"{order.training.id}: pair {pair + 1} of {pairs}, {side}")
            sides[side].append(measured(order, ways[side]))
    return Turns(tuple(sides["A"]), tuple(sides["B"]))


def judge(name: str, turns: Turns, limit: float | None) -> Compared:
    """What both sides come to, all windows of a side together."""
    if turns.apart:
        return Compared(name, REFUSED, reason=turns.apart)
    return judged(name, _pooled(turns.before), _pooled(turns.after), limit)


def _pooled(found: Sequence[Measured]) -> list[float]:
    return [value for each in found for value in each.samples[TRAINER]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far apart measurements of the same lie: trainings to the shifts of pairs, on a card."""

    hardware: Mapping[str, str]
    shifts: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def thresholds(self, hardware: Mapping[str, str]) -> dict[str, float]:
        """By training, for measurements on this hardware; raises `Incomparable` for another."""
        same_card(self.hardware, hardware)
        return {
            name: threshold(values) for name, values in self.shifts.items() if len(values) >= FEWEST
        }

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        shifts = {name: list(values) for name, values in self.shifts.items()}
        data = {"hardware": dict(self.hardware), "shifts": shifts}
        write_atomically(path, json.dumps(data, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Calibration":
        """What `write` wrote. Raises `RecordError` for anything else."""
        data = parse(text_of(path), str(path))
        try:
            shifts = {str(n): [float(each) for each in v] for n, v in data["shifts"].items()}
            return cls({str(n): str(v) for n, v in data["hardware"].items()}, shifts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"{path} is not a calibration: {error!r}") from error
