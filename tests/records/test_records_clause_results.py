import pytest

from conformance.contract import Clause, Level
from conformance.records import Case, ClauseResult, Verdict, judge

CLAUSE = Clause("a.b", "a", Level.MUST, "statement", "source", "broken", floor=3)


def cases(*verdicts: str, message: str = "") -> list[Case]:
    return [
        Case(f"case-{n}", "a.b", {}, Verdict(v), message=message) for n, v in enumerate(verdicts)
    ]


def judged(*verdicts: str, profile: str = "quick", floors: bool = True) -> ClauseResult:
    (result,) = judge([CLAUSE], cases(*verdicts), profile, floors=floors)
    return result


def test_the_worst_case_decides() -> None:
    result = judged("pass", "deviation", "pass", "fail")
    assert (result.verdict, result.reason, result.level) == (Verdict.FAIL, "", "MUST")
    assert [case.id for case in result.cases] == ["case-0", "case-1", "case-2", "case-3"]


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_too_few_cases_fail(profile: str) -> None:
    result = judged("pass", "deviation", "not-run", profile=profile)
    assert result.verdict is Verdict.FAIL
    assert result.reason.startswith("2 cases, floor 3; 1 of 3 not run")
    assert judged("pass").reason == "1 case, floor 3"


def test_too_few_cases_say_why_others_were_not_run() -> None:
    left = cases("not-run", "not-run", message="no adapter got in")
    (result,) = judge([CLAUSE], [*cases("pass", "deviation"), *left], "quick", floors=True)
    told = "2 cases, floor 3; 2 of 4 not run: no adapter got in"
    assert (result.verdict, result.reason) == (Verdict.FAIL, told)


def test_too_few_cases_do_not_hide_something_worse() -> None:
    assert judged("crash").verdict is Verdict.CRASH


def test_floors_hold_only_where_asked_and_in_broad_profiles() -> None:
    assert judged("pass", profile="smoke").verdict is Verdict.PASS
    assert judged("pass", floors=False).verdict is Verdict.PASS
    assert judged("pass", "pass", "pass").verdict is Verdict.PASS


def test_a_clause_without_a_case_says_why() -> None:
    (result,) = judge([CLAUSE], [], "quick", floors=True)
    assert (result.verdict, result.reason) == (Verdict.NOT_RUN, "no test yet")
    (result,) = judge([CLAUSE], [], "quick", reasons={"a.b": "needs cuda"})
    assert result.reason == "needs cuda"


def test_when_no_case_ran_the_commonest_message_says_why() -> None:
    given = [*cases("not-run", message="rare"), *cases("not-run", "not-run", message="common")]
    (result,) = judge([CLAUSE], given, "quick", floors=True)
    assert (result.verdict, result.reason) == (Verdict.NOT_RUN, "common")


def test_a_case_of_another_clause_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not selected: x\.y"):
        judge([CLAUSE], [Case("1", "x.y", {}, Verdict.PASS)], "quick")
