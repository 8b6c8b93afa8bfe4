"""Measured tokens per second as drawings that begin at zero; nothing here imports torch."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.records import Case, Record, Verdict
from conformance.records.history import SPEED, Snapshot, Spread, machine, training_of

from .groups import clean

_PUBLISHED = re.compile(r"([\d,.]*\d) tokens/s")
_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 5  # at most, beside zero
_GIB = 2**30
_DETAILS: Mapping[str, tuple[str, str, int]] = {  # a name of the evidence: title, format, unit
    "step_seconds": ("step", "{:.4g} s", 1),
    "tflops": ("TFLOP/s", "{:.0f}", 1),
    "model_flop_utilisation": ("utilisation", "{:.1%}", 1),
    "peak_allocated": ("peak memory", "{:.1f} GiB", _GIB),
}
_SIZES = {"batch": "rows", "accumulation": "micro-batches", "sequence": "tokens"}
_ONE = "1 micro-batches"
_DEFAULT = "as by default"


@dataclass(frozen=True, slots=True)
class Scale:
    """From zero to ``top``, with ``ticks`` at round numbers."""

    top: float
    ticks: tuple[float, ...]

    def percent(self, value: float) -> float:
        """How far along it a value lies."""
        return 100 * value / self.top


@dataclass(frozen=True, slots=True)
class Speed:
    """One training's tokens a second; ``published`` is what others state for its like."""

    training: str
    interval: Spread
    case: Case

    @property
    def published(self) -> float | None:
        """The figure that others state."""
        found = _PUBLISHED.search(self.said)
        return float(found[1].replace(",", "")) if found else None

    @property
    def said(self) -> str:
        """Who states it, and of what; may be empty."""
        return clean(str(self.case.evidence.get("published", "")))

    @property
    def about(self) -> str:
        """What was trained, in few words."""
        told = self.case.evidence
        size = [f"{told.get(name)} {what}" for name, what in _SIZES.items() if name in told]
        words = [" x ".join(each for each in size if each != _ONE), str(told.get("kernels", ""))]
        return clean(", ".join(word for word in words if word not in ("", _DEFAULT)))

    @property
    def details(self) -> Mapping[str, str]:
        """What else was measured, as it is shown; what was not is left out."""
        told = self.case.evidence
        found = {name: told[name] for name in _DETAILS if name in told}
        return {
            _DETAILS[name][0]: _DETAILS[name][1].format(value / _DETAILS[name][2])
            for name, value in found.items()
            if isinstance(value, int | float)
        }


@dataclass(frozen=True, slots=True)
class Throughput:
    """The trainings of a record on one scale."""

    card: str
    speeds: tuple[Speed, ...]

    @property
    def scale(self) -> Scale:
        """From zero to the fastest, or to what others state."""
        return scale(max(max(each.interval.largest, each.published or 0.0) for each in self.speeds))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all details."""
        return tuple(dict.fromkeys(name for each in self.speeds for name in each.details))


def throughput(record: Record) -> Throughput | None:
    """What a record measured of throughput; `None` where it measured none."""
    speeds = tuple(_speeds(record))
    return Throughput(clean(machine(record.stack)), speeds) if speeds else None


def _speeds(record: Record) -> Iterator[Speed]:
    for clause in record.clauses:
        for case in clause.cases:
            numbers = [case.evidence.get(name) for name in SPEED]
            if case.verdict is Verdict.PASS and all(isinstance(n, int | float) for n in numbers):
                interval = Spread(*map(float, numbers))  # type: ignore[arg-type]
                yield Speed(clean(training_of(case.id)), interval, case)


def scale(largest: float) -> Scale:
    """A scale that holds a value and ends at a round number."""
    if not 0 < largest < math.inf:
        return Scale(1.0, (0.0, 1.0))
    rough = largest / _TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(each * power for each in _STEPS if each * power >= rough * (1 - 1e-9))
    count = math.ceil(largest / step - 1e-9)
    return Scale(count * step, tuple(step * n for n in range(count + 1)))


# ---- over records ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One record's figure: where it stands, in percent of the drawing's width and height."""

    snapshot: Snapshot
    interval: Spread
    x: float
    y: float
    y_low: float
    y_high: float


@dataclass(frozen=True)
class Course:
    """One training's tokens a second over the records that measured it."""

    training: str
    measured: tuple[tuple[Snapshot, Spread], ...]
    scale: Scale = field(init=False)

    def __post_init__(self) -> None:
        top = max(interval.largest for _, interval in self.measured)
        object.__setattr__(self, "scale", scale(top))

    @property
    def points(self) -> tuple[Point, ...]:
        """One a record, in order."""
        return tuple(
            Point(each, interval, x, *map(self._height, (interval.median, *_ends(interval))))
            for (each, interval), x in zip(self.measured, _places(len(self.measured)), strict=True)
        )

    def _height(self, value: float) -> float:
        return 100 - self.scale.percent(value)

    @property
    def change(self) -> float:
        """From the first record's median to the last one's; 0.01 is 1 % faster."""
        first, last = self.measured[0][1].median, self.measured[-1][1].median
        return last / first - 1 if first else 0.0

    @property
    def apart(self) -> bool:
        """Whether the intervals of first and last share nothing."""
        first, last = self.measured[0][1], self.measured[-1][1]
        return first.largest < last.least or last.largest < first.least


def courses(snapshots: Sequence[Snapshot]) -> tuple[Course, ...]:
    """The courses of all trainings that any of the records measured, in the order of the first."""
    names = dict.fromkeys(name for each in snapshots for name in each.speeds)
    return tuple(
        Course(
            name,
            tuple((each, each.speeds[name]) for each in snapshots if name in each.speeds),
        )
        for name in names
    )


def in_words(course: Course) -> str:
    """From the first record's figure to the last one's."""
    first, last = course.measured[0][1], course.measured[-1][1]
    apart = "their intervals lie apart" if course.apart else "their intervals overlap"
    moved = f", {course.change:+.1%}, {apart}" if course.measured[1:] else ""
    start = f"{first.median:,.0f} → " if course.measured[1:] else ""
    low, high = last.least, last.largest
    return f"{start}{last.median:,.0f} ({low:,.0f} to {high:,.0f}) tokens/s{moved}"


def _ends(interval: Spread) -> tuple[float, float]:
    return interval.least, interval.largest


def _places(count: int) -> list[float]:
    """Where the records stand, in percent, each in the middle of its share."""
    return [100 * (n + 0.5) / count for n in range(count)]
