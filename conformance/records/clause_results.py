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
    fails, and says why others were not run, if they were there. Raises `ValueError` for a case of
    a clause that is not among ``clauses``.
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
        verdict, reason = worst((verdict, Verdict.FAIL)), _too_few(cases, ran, floor)
    return ClauseResult(clause.id, clause.chapter, str(clause.level), verdict, reason, tuple(cases))


def _too_few(cases: Sequence[Case], ran: int, floor: int) -> str:
    """Why a clause fails of which fewer cases ran than its floor."""
    left = Counter(case.headline for case in cases if case.verdict is Verdict.NOT_RUN)
    told = f"{ran} case{'s' * (ran != 1)}, floor {floor}"
    if not left:
        return told
    return f"{told}; {left.total()} of {len(cases)} not run: {left.most_common(1)[0][0]}"


def _commonest(cases: Sequence[Case]) -> str:
    messages = Counter(case.message for case in cases)
    return messages.most_common(1)[0][0] if messages else ""
