"""What was measured otherwise in one of two records, whatever the verdicts are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

from .record import Case, Record, Value


@dataclass(frozen=True, slots=True)
class EvidenceChange:
    """One measurement of a clause that came out otherwise in some cases.

    ``moved`` of the ``compared`` cases that both records measured differ; ``case`` is where it
    moved most, from ``before`` to ``after``, by ``ratio`` of the larger of the two (infinite for
    what is no number).
    """

    clause: str
    name: str
    moved: int
    compared: int
    case: str
    before: Value
    after: Value
    ratio: float


def evidence(before: Record, after: Record) -> tuple[EvidenceChange, ...]:
    """Every measurement that moved, in the later record's order of clauses."""
    earlier = _measured(before)
    pairs: dict[tuple[str, str], list[tuple[str, Value, Value]]] = {}
    for key, found in _measured(after).items():
        for name, value in found.items():
            if name in earlier.get(key, {}):
                clause, case = key
                pairs.setdefault((clause, name), []).append((case, earlier[key][name], value))
    return tuple(
        _change(clause, name, cases)
        for (clause, name), cases in pairs.items()
        if any(old != new for _, old, new in cases)
    )


def timing(before: Record, after: Record) -> dict[str, tuple[float, float]]:
    """What both records measured of their runs, and the trainings per second of training."""
    old, new = _with_rate(before.timing), _with_rate(after.timing)
    return {name: (old[name], new[name]) for name in old if name in new}


def _change(clause: str, name: str, cases: list[tuple[str, Value, Value]]) -> EvidenceChange:
    case, old, new = max(cases, key=lambda each: _ratio(each[1], each[2]))
    moved = sum(one != other for _, one, other in cases)
    return EvidenceChange(clause, name, moved, len(cases), case, old, new, _ratio(old, new))


def _ratio(old: Value, new: Value) -> float:
    """How far apart two values are, from 0 to 2; infinite for unlike values that are no numbers."""
    if old == new:
        return 0.0
    if isinstance(old, bool | str) or isinstance(new, bool | str):
        return inf
    return abs(new - old) / max(abs(old), abs(new))


def _measured(record: Record) -> dict[tuple[str, str], Mapping[str, Value]]:
    return {(case.clause, case.id): case.evidence for case in _cases(record)}


def _cases(record: Record) -> Iterator[Case]:
    for clause in record.clauses:
        yield from clause.cases


def _with_rate(measured: Mapping[str, float]) -> dict[str, float]:
    spent, trainings = measured.get("training", 0.0), measured.get("trainings", 0.0)
    rate = {"trainings_per_second": round(trainings / spent, 2)} if spent else {}
    return {**measured, **rate}
