"""Two records compared, sorted by what the change means; for all writers of comparisons."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from conformance.contract import UnknownClause, load
from conformance.records import (
    SEVERITY,
    CaseChange,
    ChangeKind,
    ClauseChange,
    Comparison,
    Record,
    Verdict,
    compare,
)

from .groups import clean

ORDER = tuple(ChangeKind)
"""What needs a look first comes first."""


@dataclass(frozen=True)
class ChangedClause:
    """One clause of which something changed, as reports show it."""

    change: ClauseChange
    statement: str
    chapter: str

    @property
    def kind(self) -> ChangeKind:
        """What became of the clause as a whole, which a single case that got worse decides."""
        if self.change.worse:
            return ChangeKind.REGRESSED
        own = kind(self.change)
        better = any(kind(case) is ChangeKind.FIXED for case in self.change.cases)
        return ChangeKind.FIXED if own is ChangeKind.CHANGED and better else own

    @property
    def reason(self) -> str:
        """Why, when no single case says so."""
        return clean(self.change.reason)

    @cached_property
    def cases(self) -> Mapping[ChangeKind, tuple[CaseChange, ...]]:
        """The cases that changed, by what became of them."""
        found = {each: tuple(c for c in self.change.cases if kind(c) is each) for each in ORDER}
        return {each: cases for each, cases in found.items() if cases}


@dataclass(frozen=True)
class Changes:
    """A comparison with the two records it is of."""

    before: Record
    after: Record
    comparison: Comparison

    @cached_property
    def clauses(self) -> tuple[ChangedClause, ...]:
        """What changed, regressions first."""
        chapters = {c.id: c.chapter for record in (self.before, self.after) for c in record.clauses}
        changed = (
            ChangedClause(change, _statement(change.id), chapters[change.id])
            for change in self.comparison.clauses
        )
        return tuple(sorted(changed, key=lambda clause: ORDER.index(clause.kind)))

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many clauses came to what, regressions first."""
        found = Counter(clause.kind for clause in self.clauses)
        return {str(each): found[each] for each in ORDER if found[each]}

    @property
    def unchanged(self) -> int:
        """How many clauses of either record show no change at all."""
        every = {clause.id for record in (self.before, self.after) for clause in record.clauses}
        return len(every) - len(self.clauses)

    @property
    def headline(self) -> str:
        """What the comparison comes to, in a few words."""
        binding = sum(each.change.worse and each.change.level == "MUST" for each in self.clauses)
        if binding:
            return f"{binding} MUST clause{'s' * (binding != 1)} got worse"
        if "regressed" in self.counts:
            return "no MUST clause got worse"
        return "nothing got worse"


def changes(before: Record, after: Record) -> Changes:
    """Compare two records."""
    return Changes(before, after, compare(before, after))


def kind(change: ClauseChange | CaseChange) -> ChangeKind:
    """What became of a clause or case, by its own verdicts."""
    if change.before is None:
        return ChangeKind.ADDED
    if change.after is None:
        return ChangeKind.REMOVED
    if change.worse:
        return ChangeKind.REGRESSED
    ran = Verdict.NOT_RUN not in (change.before, change.after)
    better = _rank(change.after) > _rank(change.before)
    return ChangeKind.FIXED if ran and better else ChangeKind.CHANGED


def arrow(change: ClauseChange | CaseChange) -> str:
    """The verdicts before and after."""
    return f"{change.before or 'absent'} → {change.after or 'absent'}"


def _rank(verdict: Verdict) -> int:
    """Higher is better; a listed deviation that passes has passed."""
    return SEVERITY.index(Verdict.PASS if verdict is Verdict.FIXED else verdict)


def _statement(clause: str) -> str:
    try:
        return load().clause(clause).statement
    except UnknownClause:
        return ""
