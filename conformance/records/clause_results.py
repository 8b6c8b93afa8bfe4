"""From cases to the verdict of each clause."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from conformance.contract import Clause

from .record import Case, ClauseResult
from .verdict import Verdict, worst

NO_TEST = "no test yet"
FLOORED_PROFILES = ("quick", "full")
"""The profiles broad enough for a clause's floor on its cases to hold."""

_UNALARMING = (Verdict.PASS, Verdict.DEVIATION)
_NO_REASONS: Mapping[str, str] = MappingProxyType({})


def judge(
    clauses: Iterable[Clause],
    cases: Iterable[Case],
    profile: str,
    *,
    floors: bool = False,
    reasons: Mapping[str, str] = _NO_REASONS,
) -> tuple[ClauseResult, ...]:
    """One result a clause, in the clauses' order, each with its cases in theirs.

    A clause without a case is ``not-run`` for the reason that ``reasons`` gives. With ``floors``,
    in the profiles of `FLOORED_PROFILES`, a clause whose cases ran and are fewer than its floor
    fails; where those that lack were ``not-run`` for a reason, it is so as well, unless one that
    ran says worse. Raises `ValueError` for a case of a clause that is not among ``clauses``.
    """
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        found[case.clause].append(case)
    apply_floor = floors and profile in FLOORED_PROFILES
    results = tuple(
        _result(
            clause,
            found.pop(clause.id, []),
            clause.floor if apply_floor else 0,
            reasons.get(clause.id, NO_TEST),
        )
        for clause in clauses
    )
    if found:
        raise ValueError(f"cases of clauses that were not selected: {', '.join(sorted(found))}")
    return results


def _result(clause: Clause, cases: Sequence[Case], floor: int, missing: str) -> ClauseResult:
    verdict = worst(case.verdict for case in cases)
    ran = sum(case.verdict is not Verdict.NOT_RUN for case in cases)
    reason = ""
    if verdict is Verdict.NOT_RUN:
        reason = _commonest(cases) or missing
    elif ran < floor:
        verdict, reason = _too_few(cases, verdict, floor)
    return ClauseResult(clause.id, clause.chapter, str(clause.level), verdict, reason, tuple(cases))


def _too_few(cases: Sequence[Case], verdict: Verdict, floor: int) -> tuple[Verdict, str]:
    """What a clause comes to of which fewer cases ran than its floor, and why."""
    left = [case.headline for case in cases if case.verdict is Verdict.NOT_RUN and case.message]
    ran = sum(case.verdict is not Verdict.NOT_RUN for case in cases)
    if ran + len(left) < floor:
        return worst((verdict, Verdict.FAIL)), f"{ran} case{'s' * (ran != 1)}, floor {floor}"
    told = f"{len(left)} of {len(cases)} cases not run: {Counter(left).most_common(1)[0][0]}"
    return (Verdict.NOT_RUN if verdict in _UNALARMING else verdict), told


def _commonest(cases: Sequence[Case]) -> str:
    messages = Counter(case.message for case in cases)
    return messages.most_common(1)[0][0] if messages else ""
