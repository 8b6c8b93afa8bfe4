"""What a reader needs to act: what broke in a line, what moved, and no traceback in the way."""

from dataclasses import replace
from pathlib import Path

import pytest
from every import Open

from conformance.baselines import BaselineChanges, changes
from conformance.records import Record, Verdict
from conformance.reports import render, write_all
from conformance.reports.groups import Group

TRACED = (
    "ValueError in phase train: no\nscenario: Scenario()\n"
    'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: no\n'
    "as the known deviation x shows, which is listed for peft >=0.20"
)


@pytest.fixture
def moved(record: Record) -> BaselineChanges:
    """What changed since a baseline in which nothing was red."""
    clauses = tuple(
        replace(
            clause,
            verdict=Verdict.PASS,
            cases=tuple(replace(case, verdict=Verdict.PASS) for case in clause.cases),
        )
        for clause in record.clauses
    )
    stack = replace(record.stack, packages={"torch": "2.6.0", "peft": "0.14.0"})
    return changes(replace(record, clauses=clauses, stack=stack), record, Path("b.json"))


def group(record: Record, message: str) -> Group:
    return Group(Verdict.FAIL, (replace(record.clauses[0].cases[1], message=message),))


def test_a_traceback_is_told_apart(record: Record) -> None:
    found = group(record, TRACED)
    assert found.untraced == (
        "ValueError in phase train: no\nscenario: Scenario()\n"
        "as the known deviation x shows, which is listed for peft >=0.20"
    )
    assert found.trace.splitlines()[0] == "Traceback (most recent call last):"
    assert found.trace.endswith("\nValueError: no")


@pytest.mark.parametrize("message", ["", "got: 3", TRACED.partition("Scenario()\n")[2][:90]])
def test_a_message_that_is_nothing_else_stays_whole(record: Record, message: str) -> None:
    found = group(record, message)
    assert (found.untraced, found.trace) == (found.message, "")


def test_the_gist_is_what_was_got(record: Record) -> None:
    found = group(record, "the base\n  got:      1 of 43 tensors differ\n  expected: none")
    assert found.gist == "the base: 1 of 43 tensors differ"
    assert len(group(record, "x" * 500).gist) == 160


@pytest.mark.parametrize("form", ["html", "markdown", "annotations"])
def test_suspects_are_named(record: Record, moved: BaselineChanges, form: str) -> None:
    assert "passed in the baseline of 2025" in render(record, form, changes=moved).replace("\\", "")
    assert "0.14.0 → 0.15.0" in render(record, form, changes=moved)
    assert "uspects" not in render(record, form)


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_what_else_differs_from_the_baseline_is_summed_up(
    record: Record, moved: BaselineChanges, form: str
) -> None:
    text = render(record, form, changes=moved)
    assert "aseline of 2025-01-02, 12 cases in both: 3 regressed (frozen.bit-identical" in text
    assert "aseline of" not in render(record, form)


def test_suspects_are_in_the_reports_of_a_run(
    record: Record, moved: BaselineChanges, tmp_path: Path
) -> None:
    write_all(record, tmp_path, moved)
    for name in ("report.html", "report.md"):
        assert "peft 0.14.0 → 0.15.0" in (tmp_path / name).read_text(encoding="utf-8")


def test_what_broke_comes_first_and_leads_there(
    opened: Open, record: Record, moved: BaselineChanges
) -> None:
    page = opened(render(record, "html", changes=moved))
    broke = page.locator("ul.broke")
    assert broke.locator("li").count() == 4
    assert broke.bounding_box()["y"] < page.locator("#tools").bounding_box()["y"]
    held = "Since: passed in the baseline of 2025-01-02; suspects: peft 0.14.0 → 0.15.0"
    assert held in broke.inner_text()
    page.click("[id='frozen.bit-identical'] > summary")
    broke.get_by_role("link", name="frozen.bit-identical").click()
    page.wait_for_selector("[id='frozen.bit-identical'][open]")


def test_chapters_lead_to_their_clauses(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    page.get_by_role("navigation", name="Chapters").get_by_role("link", name="output").click()
    assert page.evaluate("location.hash") == "#chapter-output"


def test_a_red_clause_without_cases_is_told_as_well(record: Record) -> None:
    bare = replace(record.clauses[0], cases=(), reason="")
    assert '<a href="#frozen.bit-identical">' in render(replace(record, clauses=(bare,)), "html")
