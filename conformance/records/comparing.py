"""What changed between two records, clause by clause and case by case."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .record import Case, ClauseResult, Record
from .stack import Stack
from .verdict import SEVERITY, Verdict


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case whose verdict changed; `None` on the side whose record lacks the case."""

    id: str
    before: Verdict | None
    after: Verdict | None
    message: str

    @property
    def worse(self) -> bool:
        """Whether the case was there before and got worse."""
        return worse(self.before, self.after)


@dataclass(frozen=True, slots=True)
class ClauseChange:
    """One clause of which something changed; `None` on the side whose record lacks the clause."""

    id: str
    level: str
    before: Verdict | None
    after: Verdict | None
    reason: str
    cases: tuple[CaseChange, ...]

    @property
    def worse(self) -> bool:
        """Whether the clause, or a case of it that both records hold, got worse."""
        return worse(self.before, self.after) or any(case.worse for case in self.cases)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``stack`` maps what differs to its value in either record, empty where it has none."""

    stack: Mapping[str, tuple[str, str]]
    clauses: tuple[ClauseChange, ...]

    @property
    def regressed(self) -> bool:
        """Whether any MUST clause got worse."""
        return any(clause.worse and clause.level == "MUST" for clause in self.clauses)


def worse(before: Verdict | None, after: Verdict | None) -> bool:
    """Whether going from one verdict to the other loses something.

    To break is worse than to hold, a crash is worse than a failure, and what is no longer run is
    worse than what held. A clause or case that only one record holds got neither better nor worse.
    """
    if before is None or after is None or before is after:
        return False
    if after is Verdict.NOT_RUN:
        return SEVERITY.index(before) > SEVERITY.index(Verdict.FAIL)
    return SEVERITY.index(after) <= min(SEVERITY.index(Verdict.FAIL), SEVERITY.index(before))


def compare(before: Record, after: Record) -> Comparison:
    """Everything that changed from one record to the other, in the later record's order."""
    old = {clause.id: clause for clause in before.clauses}
    new = {clause.id: clause for clause in after.clauses}
    changes = (_clause(old.get(name), new.get(name)) for name in {**new, **old})
    return Comparison(
        dict(_stack(before.stack, after.stack)),
        tuple(change for change in changes if change is not None),
    )


def _clause(old: ClauseResult | None, new: ClauseResult | None) -> ClauseChange | None:
    known = new or old
    assert known is not None
    before, after = _verdict(old), _verdict(new)
    cases = tuple(_cases(old.cases, new.cases)) if old and new else ()
    if before is after and not cases:
        return None
    return ClauseChange(known.id, known.level, before, after, known.reason, cases)


def _cases(old: tuple[Case, ...], new: tuple[Case, ...]) -> Iterator[CaseChange]:
    earlier, later = _worst_by_id(old), _worst_by_id(new)
    for name in {**later, **earlier}:
        before, after = earlier.get(name), later.get(name)
        known = after or before
        assert known is not None
        change = CaseChange(name, _verdict(before), _verdict(after), known.message)
        if change.before is not change.after:
            yield change


def _verdict(judged: ClauseResult | Case | None) -> Verdict | None:
    return None if judged is None else judged.verdict


def _worst_by_id(cases: tuple[Case, ...]) -> dict[str, Case]:
    found: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: SEVERITY.index(case.verdict)):
        found.setdefault(case.id, case)
    return found


def _stack(before: Stack, after: Stack) -> Iterator[tuple[str, tuple[str, str]]]:
    old, new = _flat(before), _flat(after)
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            yield name, (old.get(name, ""), new.get(name, ""))


def _flat(stack: Stack) -> dict[str, str]:
    about = {"python": stack.python, "platform": stack.platform, "device": stack.device}
    return {**about, **stack.packages}
