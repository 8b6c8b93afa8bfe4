from dataclasses import replace

import pytest

from conformance.records import Case, ClauseResult, Comparison, Record, Stack, Verdict, compare


def with_cases(record: Record, clause: str, **verdicts: str) -> Record:
    """The record with one MUST clause of these cases."""
    cases = tuple(Case(name, clause, {}, Verdict(v), message=v) for name, v in verdicts.items())
    worst = min((case.verdict for case in cases), key=list(Verdict).index)
    worst = Verdict.FAIL if any(case.verdict is Verdict.FAIL for case in cases) else worst
    return replace(record, clauses=(ClauseResult(clause, "a", "MUST", worst, "", cases),))


def compared(record: Record, before: str, after: str) -> Comparison:
    return compare(with_cases(record, "a.b", x=before), with_cases(record, "a.b", x=after))


def test_nothing_changed(record: Record) -> None:
    found = compare(record, record)
    assert (found.stack, found.clauses, found.regressed) == ({}, (), False)


@pytest.mark.parametrize(
    ("before", "after", "regressed"),
    [
        ("pass", "fail", True),
        ("deviation", "fail", True),
        ("fail", "crash", True),
        ("error", "crash", True),
        ("not-run", "fail", True),
        ("pass", "not-run", True),
        ("deviation", "not-run", True),
        ("pass", "deviation", False),
        ("fail", "not-run", False),
        ("not-run", "pass", False),
        ("fail", "fixed", False),
        ("crash", "fail", False),
    ],
)
def test_what_is_worse(record: Record, before: str, after: str, regressed: bool) -> None:
    found = compared(record, before, after)
    assert found.regressed is regressed
    (change,) = found.clauses
    assert [case.worse for case in change.cases] == [regressed]


def test_a_new_failure_beside_an_old_one_is_worse(record: Record) -> None:
    before = with_cases(record, "a.b", x="fail", y="pass")
    after = with_cases(record, "a.b", x="fail", y="fail")
    (change,) = compare(before, after).clauses
    assert change.worse
    assert [(case.id, case.message) for case in change.cases] == [("y", "fail")]


def test_what_only_one_record_holds(record: Record) -> None:
    before = with_cases(record, "a.b", x="pass", y="pass")
    after = with_cases(record, "a.b", x="pass", z="fail")
    (change,) = compare(before, after).clauses
    found = {case.id: (case.before, case.after) for case in change.cases}
    assert found == {"z": (None, Verdict.FAIL), "y": (Verdict.PASS, None)}
    other = compare(before, with_cases(record, "c.d", x="fail"))
    assert [clause.id for clause in other.clauses] == ["c.d", "a.b"]
    assert not other.regressed


def test_levels_below_must_do_not_regress(record: Record) -> None:
    found = compared(record, "pass", "fail")
    (clause,) = found.clauses
    assert not replace(found, clauses=(replace(clause, level="SHOULD"),)).regressed


def test_differences_of_the_stack(record: Record) -> None:
    other = Stack("3.12.1", record.stack.platform, "cpu", {"torch": "2.6.0", "trl": "1.0"})
    found = compare(record, replace(record, stack=other)).stack
    assert found == {"python": ("3.11.7", "3.12.1"), "peft": ("0.15.0", ""), "trl": ("", "1.0")}


def test_a_machine_that_is_not_told_has_not_changed(record: Record) -> None:
    untold = replace(record, stack=replace(record.stack, platform=""))
    assert compare(untold, record).stack == {}


def known(record: Record, **cases: tuple[str, str]) -> Record:
    """The record with cases of these verdicts, each with the deviation that it resembles."""
    judged = with_cases(record, "a.b", **{name: verdict for name, (verdict, _) in cases.items()})
    (clause,) = judged.clauses
    named = tuple(replace(each, deviation=cases[each.id][1]) for each in clause.cases)
    return replace(judged, clauses=(replace(clause, cases=named),))


@pytest.mark.parametrize(
    ("before", "kind"), [(("deviation", "tied"), "changed"), (("not-run", ""), "added")]
)
def test_a_known_deviation_that_is_not_listed_for_the_new_release_is_no_regression(
    record: Record, before: tuple[str, str], kind: str
) -> None:
    """A run fails for it, an upgrade has not made it worse."""
    found = compare(known(record, x=before), known(record, x=("fail", "tied")))
    assert not found.regressed
    assert [str(change.kind) for change in found.clauses] == [kind]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"x": ("pass", "")}, {"x": ("fail", "tied")}),
        ({"x": ("deviation", "tied")}, {"x": ("fail", "")}),
        ({"x": ("deviation", "tied")}, {"x": ("fail", "other")}),
        ({"x": ("deviation", "tied")}, {"x": ("crash", "")}),
        ({"x": ("deviation", "tied")}, {"x": ("fail", "tied"), "y": ("fail", "tied")}),
        ({"x": ("deviation", "tied")}, {"x": ("fail", "tied"), "y": ("fail", "")}),
    ],
)
def test_what_was_not_known_is_a_regression(
    record: Record, before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]
) -> None:
    """What held before, another deviation, none, a crash, a case that was not there."""
    assert compare(known(record, **before), known(record, **after)).regressed
