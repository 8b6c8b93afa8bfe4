"""Comparing measured times: of two records, of two stacks in turns, of a stack with itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.records import Case, Record, Verdict
from conformance.records.history import training_of

from .measuring import TRAINER
from .statistics import Interval, shift, verdict

CONFIGURED = ("kernels", "attention", "batch", "accumulation", "sequence", "launch", "world_size")
"""What two measurements must have in common beside their card."""
OF_A_CARD = ("card", "cards", "memory_mib", "power_limit_w", "mig")
"""What of the hardware must be the same; a driver may differ, and is part of what is compared."""
REFUSED = "refused"


class Incomparable(ValueError):
    """Two records were not made on the same card; the message names what differs."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One training's times, before and after: see `statistics.verdict` for the verdicts.

    One is ``refused`` too, with the ``reason``; ``shift`` is then `None`.
    """

    id: str
    verdict: str
    shift: Interval | None = None
    threshold: float | None = None
    reason: str = ""


def same_card(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raise `Incomparable` unless both say on which card they were made, and it is the same."""
    if not (before.get("card") and after.get("card")):
        raise Incomparable("a record does not say on which card it was measured")
    apart = [name for name in OF_A_CARD if before.get(name) != after.get(name)]
    if apart:
        told = (f"{name} {before.get(name, 'none')} → {after.get(name, 'none')}" for name in apart)
        raise Incomparable(f"records of different cards are not compared: {', '.join(told)}")


def compare(before: Record, after: Record, thresholds: Mapping[str, float]) -> tuple[Compared, ...]:
    """Every training that both records measured, in the later one's order.

    ``thresholds`` maps trainings to what runs of the same differ by on that card; a training
    without one is inconclusive. Raises `Incomparable` for records of different cards.
    """
    same_card(before.stack.hardware, after.stack.hardware)
    old = timed(before)
    return tuple(
        _compared(name, old[name], case, thresholds.get(name))
        for name, case in timed(after).items()
        if name in old
    )


def timed(record: Record) -> dict[str, Case]:
    """The cases that hold a training's times, by the training; hand-written loops left out."""
    cases = (case for clause in record.clauses for case in clause.cases)
    return {
        training_of(case.id): case
        for case in cases
        if case.verdict is Verdict.PASS and list(case.samples) == [TRAINER]
    }


def judged(
    name: str, before: Sequence[float], after: Sequence[float], threshold: float | None
) -> Compared:
    """What two sets of seconds a step come to."""
    found = shift(before, after)
    if threshold is None:
        reason = "no runs against themselves tell how far apart the same may be on this card"
        return Compared(name, "inconclusive", found, None, reason)
    return Compared(name, verdict(before, after, threshold), found, threshold)


def _compared(name: str, old: Case, new: Case, threshold: float | None) -> Compared:
    if reason := configured(old.evidence, new.evidence):
        return Compared(name, REFUSED, reason=reason)
    return judged(name, old.samples[TRAINER], new.samples[TRAINER], threshold)


def configured(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """In which way two measurements were not of the same; empty where they were."""
    apart = [name for name in CONFIGURED if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name)} → {new.get(name)}" for name in apart)
