"""What changed between two records, clause by clause and case by case."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from .causes import Cause, causes, shared
from .evidence_changes import EvidenceChange, evidence, timing
from .record import Case, ClauseResult, Record
from .stack import Stack
from .verdict import SEVERITY, Verdict


class ChangeKind(str, Enum):
    """What became of a clause; ``changed`` is neither better nor worse, or better in some cases."""

    REGRESSED = "regressed"
    FIXED = "fixed"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case whose verdict changed; `None` on the side whose record lacks the case.

    ``known`` says that it fails as the known deviation that it was before, which is not listed for
    the later versions.
    """

    id: str
    before: Verdict | None
    after: Verdict | None
    message: str
    known: bool = False

    @property
    def worse(self) -> bool:
        """Whether the case was there before and got worse."""
        return not self.known and worse(self.before, self.after)


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
        """Whether the clause, or a case of it that both records hold, got worse.

        It did not where it has no failures but those of deviations that were known before.
        """
        if any(case.worse for case in self.cases):
            return True
        failing = [case.known for case in self.cases if case.after is Verdict.FAIL]
        return worse(self.before, self.after) and not (failing and all(failing))

    def within(self, places: Collection[tuple[str, str]]) -> bool:
        """Whether it is among these cases, by clause and id, that all of it that changed is."""
        return bool(self.cases) and all((self.id, case.id) in places for case in self.cases)

    @property
    def kind(self) -> ChangeKind:
        """What became of it; what only one of the records judged was added or removed."""
        absent = (None, Verdict.NOT_RUN)
        if self.worse:
            return ChangeKind.REGRESSED
        if self.before in absent and self.after not in absent:
            return ChangeKind.ADDED
        if self.after in absent and self.before not in absent:
            return ChangeKind.REMOVED
        return ChangeKind.FIXED if better(self.before, self.after) else ChangeKind.CHANGED


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs between two records.

    ``stack`` maps what differs to its value in either record, empty where it has none; ``others``
    likewise the packages that only came along; ``asked`` what the runs were asked for: their
    comparison means little unless it is empty. ``clauses`` changed and ``unchanged`` others did
    not; ``evidence`` is what was measured otherwise; ``timing`` what either run measured of
    itself, the same or not. ``causes`` are what several clauses got worse of.
    """

    stack: Mapping[str, tuple[str, str]]
    clauses: tuple[ClauseChange, ...]
    unchanged: int = 0
    evidence: tuple[EvidenceChange, ...] = ()
    timing: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    asked: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many clauses became what, the unchanged ones last."""
        kinds = [clause.kind for clause in self.clauses]
        return {
            **{kind.value: kinds.count(kind) for kind in ChangeKind},
            "unchanged": self.unchanged,
        }

    @property
    def regressed(self) -> bool:
        """Whether any MUST clause got worse."""
        return any(clause.worse and clause.level == "MUST" for clause in self.clauses)

    @property
    def apart(self) -> tuple[ClauseChange, ...]:
        """The clauses that changed, but those of which ``causes`` tell every change."""
        told = frozenset().union(*(cause.places for cause in self.causes))
        return tuple(clause for clause in self.clauses if not clause.within(told))


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


def better(before: Verdict | None, after: Verdict | None) -> bool:
    """Whether something that did not hold, in a way nobody or somebody expected, now does."""
    held = (Verdict.PASS, Verdict.FIXED)
    return before not in (None, Verdict.NOT_RUN, *held) and after in (*held, Verdict.DEVIATION)


def compare(before: Record, after: Record) -> Comparison:
    """Everything that changed from one record to the other, in the later record's order."""
    old = {clause.id: clause for clause in before.clauses}
    new = {clause.id: clause for clause in after.clauses}
    names = {**new, **old}
    changes = [_clause(old.get(name), new.get(name)) for name in names]
    changed = tuple(change for change in changes if change is not None)
    broke = {(clause.id, case.id) for clause in changed for case in clause.cases if case.worse}
    return Comparison(
        _moved(before.stack, after.stack),
        changed,
        causes=shared(cause.among(broke) for cause in causes(after)),
        unchanged=len(changes) - len(changed),
        evidence=evidence(before, after),
        timing=timing(before, after),
        asked=_differing(_asked(before), _asked(after)),
        others=_differing(before.stack.others, after.stack.others),
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
        again = _known(before, after)
        change = CaseChange(name, _verdict(before), _verdict(after), known.message, again)
        if change.before is not change.after:
            yield change


def _known(before: Case | None, after: Case | None) -> bool:
    """Whether a case fails as the deviation that it showed, or that kept it from being judged."""
    if before is None or after is None or after.verdict is not Verdict.FAIL or not after.deviation:
        return False
    return before.verdict is Verdict.NOT_RUN or before.deviation == after.deviation


def _verdict(judged: ClauseResult | Case | None) -> Verdict | None:
    return None if judged is None else judged.verdict


def _worst_by_id(cases: tuple[Case, ...]) -> dict[str, Case]:
    found: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: SEVERITY.index(case.verdict)):
        found.setdefault(case.id, case)
    return found


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: (old.get(name, ""), new.get(name, "")) for name in names}


def _moved(before: Stack, after: Stack) -> dict[str, tuple[str, str]]:
    """What differs; a baseline's record does not say on which machine it was made."""
    found = _differing(_flat(before), _flat(after))
    if not (before.platform and after.platform):
        found.pop("platform", None)
    return found


def _flat(stack: Stack) -> dict[str, str]:
    about = {"python": stack.python, "platform": stack.platform, "device": stack.device}
    return {**about, **stack.hardware, **stack.packages}


def _asked(record: Record) -> dict[str, str]:
    return {
        "suite": record.suite_version,
        "profile": record.profile,
        "seed": str(record.seed),
        "trainer": record.trainer,
        "chapters": ", ".join(sorted(record.selection.chapters)),
        "clauses": ", ".join(sorted(record.selection.clauses)),
        "fault": record.fault,
    }
