"""What became of each clause and case between two records."""

from dataclasses import replace

import pytest

from conformance.records import Case, CaseChange, ChangeKind, ClauseResult, Record, Verdict
from conformance.reports.changes import changes, kind
from conformance.reports.comparison_pages import comparison_markdown


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("pass", "fail", "regressed"),
        ("fail", "crash", "regressed"),
        ("pass", "not-run", "regressed"),
        ("fail", "pass", "fixed"),
        ("fail", "deviation", "fixed"),
        ("deviation", "fixed", "fixed"),
        ("error", "pass", "fixed"),
        ("pass", "deviation", "changed"),
        ("pass", "fixed", "changed"),
        ("not-run", "pass", "changed"),
        ("fail", "not-run", "changed"),
        (None, "fail", "added"),
        ("pass", None, "removed"),
    ],
)
def test_kinds(before: str | None, after: str | None, expected: str) -> None:
    sides = [Verdict(each) if each else None for each in (before, after)]
    assert str(kind(CaseChange("x", *sides, ""))) == expected


def clause(name: str, *verdicts: str, level: str = "MUST") -> ClauseResult:
    cases = tuple(Case(str(n), name, {}, Verdict(v)) for n, v in enumerate(verdicts))
    worst = "fail" if "fail" in verdicts else "pass"
    return ClauseResult(name, "x", level, Verdict(worst), cases=cases)


def test_a_clause_is_what_its_worst_case_is(record: Record) -> None:
    before = [clause("x.a", "fail", "pass"), clause("x.b", "fail", "fail"), clause("x.c", "pass")]
    after = [clause("x.a", "pass", "fail"), clause("x.b", "pass", "fail"), clause("x.c", "pass")]
    found = changes(*(replace(record, clauses=tuple(each)) for each in (before, after)))
    assert {each.change.id: str(each.kind) for each in found.clauses} == {
        "x.a": "regressed",
        "x.b": "fixed",
    }
    assert found.counts == {"regressed": 1, "fixed": 1}
    assert found.unchanged == 1
    assert [str(each) for each in found.clauses[0].cases] == ["regressed", "fixed"]
    assert found.clauses[0].cases[ChangeKind.FIXED][0].id == "0"


@pytest.mark.parametrize(
    ("level", "expected"),
    [("MUST", "1 MUST clause got worse"), ("SHOULD", "no MUST clause got worse")],
)
def test_headlines(record: Record, level: str, expected: str) -> None:
    sides = [clause("x.a", "pass", level=level), clause("x.a", "fail", level=level)]
    found = changes(*(replace(record, clauses=(each,)) for each in sides))
    assert found.headline == expected
    text = comparison_markdown(found)
    assert text.startswith(f"# {expected}\n")
    assert f"## regressed: x.a ({level}): pass → fail" in text
    assert "Nothing in the stack moved." in text
