"""What a planted fault came to, next to the control: the same cases with nothing planted."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from conformance.faults import registry
from conformance.records import Case, Verdict

from .job import Answer, Ending, Job

_FAULTS = Path(registry.__file__).parent
_FRAME = re.compile(r'^ *File "(.+?)", line', re.MULTILINE)

CaseKey = tuple[str, str]
Control = Mapping[CaseKey, Verdict]
"""The verdict of each case, by clause and id, with nothing planted."""


class Kind(str, Enum):
    """What became of a fault; all but ``caught`` and ``not-run`` are wrong."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    UNFIT = "unfit"
    NO_VERDICT = "no-verdict"
    NOT_RUN = "not-run"

    @property
    def wrong(self) -> bool:
        """Whether something has to be done about the fault or its clause."""
        return self not in (Kind.CAUGHT, Kind.NOT_RUN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fault.

    ``message`` is the first line of what the clause said, or why it said nothing; ``case`` the id
    of the case that said so. ``judged`` counts the clause's cases that ran, which end with the
    first red one. ``seen`` are the other clauses that had a say in the matrix and ``red`` those of
    them that turned red; both are `None` where the matrix was not asked for, and ``cut`` says why
    it ended early, if it did.
    """

    fault: str
    clause: str
    kind: Kind
    message: str = ""
    case: str = ""
    judged: int = 0
    seconds: float = 0.0
    seen: tuple[str, ...] | None = None
    red: tuple[str, ...] | None = None
    cut: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        matrix = {} if self.seen is None else {"seen": list(self.seen), "red": list(self.red or ())}
        return {
            "fault": self.fault,
            "clause": self.clause,
            "kind": self.kind.value,
            "message": self.message,
            "case": self.case,
            "judged": self.judged,
            "seconds": self.seconds,
            **matrix,
            "cut": self.cut,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Outcome":
        """The outcome that `to_json` described."""
        matrix = {name: tuple(data[name]) for name in ("seen", "red") if name in data}
        return cls(**{**data, "kind": Kind(data["kind"]), **matrix})


def control(answered: Iterable[tuple[Job, Answer]]) -> Control:
    """The verdicts of all cases that were judged with nothing planted.

    The clauses of a job that did not come to its end count as crashed.
    """
    found: dict[CaseKey, Verdict] = {}
    for job, answer in answered:
        cases = (*answer.cases, *answer.others)
        found |= {(case.clause, case.id): case.verdict for case in cases}
        if answer.ending is not Ending.DONE:
            found |= {(clause, answer.message): Verdict.CRASH for clause in job.clauses}
    return found


def outcome(fault: str, clause: str, answer: Answer, unplanted: Control, matrix: bool) -> Outcome:
    """Compare an answer with the control.

    A fault is caught when a case of its clause fails by the clause's own verdict, and none does
    without the fault. A crash, a timeout, an error of the harness and one that the planted code
    itself raises catch nothing.
    """
    caught = [case for case in answer.cases if case.verdict is Verdict.FAIL]
    kind, message = _kind(clause, answer, unplanted, caught)
    seen, red = _matrix(clause, answer, unplanted) if matrix else (None, None)
    return Outcome(
        fault,
        clause,
        kind,
        message=(message.splitlines() or [""])[0],
        case=caught[0].id if kind is Kind.CAUGHT else "",
        judged=sum(case.verdict is not Verdict.NOT_RUN for case in answer.cases),
        seconds=answer.seconds,
        seen=seen,
        red=red,
        cut=answer.cut,
    )


def _kind(clause: str, answer: Answer, unplanted: Control, caught: list[Case]) -> tuple[Kind, str]:
    if unfit := _unfit(clause, unplanted):
        return unfit
    if answer.ending is not Ending.DONE:
        return Kind.NO_VERDICT, answer.message
    if caught and _raised_by_fault(caught[0]):
        return Kind.NO_VERDICT, f"the planted code itself raised: {caught[0].message}"
    if caught:
        return Kind.CAUGHT, caught[0].message
    broken = [case for case in answer.cases if _red(case.verdict)]
    if broken:
        return Kind.NO_VERDICT, f"{broken[0].verdict}: {broken[0].message}"
    verdicts = Counter(str(case.verdict) for case in answer.cases)
    listed = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    return Kind.SURVIVED, f"no case failed: {listed or 'none was judged'}"


def _raised_by_fault(case: Case) -> bool:
    """Whether the innermost frame of what ended the case lies in the fault's own code."""
    frames = _FRAME.findall(case.message)
    return bool(frames) and Path(frames[-1]).parent == _FAULTS


def _unfit(clause: str, unplanted: Control) -> tuple[Kind, str] | None:
    """What keeps a clause from proving anything, seen with nothing planted."""
    without = [verdict for (owner, _), verdict in unplanted.items() if owner == clause]
    if not without:
        return Kind.SURVIVED, "no test judges the clause"
    if any(map(_red, without)):
        return Kind.UNFIT, "the clause is red with nothing planted"
    if all(verdict is Verdict.NOT_RUN for verdict in without):
        return Kind.NOT_RUN, "the clause is not judged here with nothing planted"
    return None


def _matrix(
    clause: str, answer: Answer, unplanted: Control
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The clauses with a case that is judged and not red without the fault; those now red."""
    told = [
        case
        for case in answer.others
        if not _red(unplanted.get((case.clause, case.id), Verdict.NOT_RUN))
        and unplanted.get((case.clause, case.id), Verdict.NOT_RUN) is not Verdict.NOT_RUN
        and case.clause != clause
    ]
    seen = dict.fromkeys(case.clause for case in told)
    red = dict.fromkeys(case.clause for case in told if case.verdict.broken)
    return tuple(seen), tuple(red)


def _red(verdict: Verdict) -> bool:
    return verdict.broken or verdict is Verdict.ERROR
