"""What GitHub Actions and shields.io are told."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hostile import hostile

from conformance.baselines import changes
from conformance.records import ClauseResult, Record, Verdict
from conformance.reports import render
from conformance.reports.annotations import AT_MOST, annotations, command
from conformance.reports.ci import announce
from conformance.reports.markdown_blocks import SUMMARY

BADGE = {
    "type": "object",
    "required": ["schemaVersion", "label", "message"],
    "additionalProperties": False,
    "properties": {
        "schemaVersion": {"const": 1},
        "label": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "color": {"enum": ["brightgreen", "red", "lightgrey"]},
        "isError": {"type": "boolean"},
    },
}
"""https://shields.io/badges/endpoint-badge"""


def unescaped(text: str) -> str:
    for code, meant in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, meant)
    return text


def test_commands_are_escaped_as_the_runner_reads_them() -> None:
    line = command("error", "100 %\r\n::error::x", file="a,b:c.py", title="%0A")
    assert line == "::error file=a%2Cb%3Ac.py,title=%250A::100 %25%0D%0A::error::x"


def test_annotations_name_what_gates_and_where(record: Record) -> None:
    lines = annotations(record).splitlines()
    found = next(line for line in lines if "frozen.bit-identical" in line)
    file, title = found.removeprefix("::error ").split("::")[0].split(",")
    assert file == "file=conformance/suite/test_frozen.py"
    assert unescaped(title) == "title=fail: frozen.bit-identical (MUST)"
    assert "largest_difference=0.001" in found
    assert [line.split(" ")[0] for line in lines] == [*["::error"] * 3, "::warning", "::notice"]


def test_the_file_is_that_of_the_failing_test(record: Record) -> None:
    clause = record.clauses[0]
    case = replace(clause.cases[1], id="test_arguments_bit_identical[bert-wrapped-lora]")
    (line, _) = annotations(replace(record, clauses=(replace(clause, cases=(case,)),))).splitlines()
    assert line.startswith("::error file=conformance/suite/test_frozen_arguments.py,")


def test_hostile_annotations_stay_on_their_lines(record: Record) -> None:
    lines = annotations(hostile(record)).splitlines()
    assert len(lines) == 5
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)


def test_no_more_annotations_than_github_shows(record: Record) -> None:
    clauses = [ClauseResult(f"a.b{n}", "a", "MUST", Verdict.FAIL) for n in range(30)]
    lines = annotations(replace(record, clauses=tuple(clauses))).splitlines()
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == AT_MOST
    assert errors[-1].startswith("::error::21 clauses more: a.b9, a.b10")


def test_a_run_outside_of_actions_says_nothing_more(record: Record) -> None:
    assert announce(record, environment={}) == ""


def test_a_run_under_actions_is_announced(record: Record, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.write_text("before")
    text = announce(record, environment=under_actions(summary))
    assert text == annotations(record)
    assert summary.read_text() == f"before\n{render(record, 'markdown')}"


def test_it_is_told_what_moved_since_the_baseline(record: Record, tmp_path: Path) -> None:
    good = tuple(replace(case, verdict=Verdict.PASS) for case in record.clauses[0].cases)
    clauses = (replace(record.clauses[0], cases=good, verdict=Verdict.PASS),)
    stack = replace(record.stack, packages={"peft": "0.14.0"})
    moved = changes(replace(record, clauses=clauses, stack=stack), record, tmp_path / "b.json")
    text = announce(record, moved, under_actions(tmp_path / "summary"))
    for found in (text, (tmp_path / "summary").read_text()):
        assert "peft 0.14.0 → 0.15.0" in found


def under_actions(summary: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}


def test_a_summary_that_is_nearly_full_is_not_overrun(record: Record, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    for taken in (SUMMARY - 100, SUMMARY - 3000):
        summary.write_text("x" * taken)
        announce(record, environment=under_actions(summary))
        assert taken <= summary.stat().st_size <= SUMMARY


@pytest.mark.parametrize(
    ("verdict", "message", "colour"),
    [
        ("pass", "1 clause passes", "brightgreen"),
        ("deviation", "0 clauses pass, 1 known deviation", "brightgreen"),
        ("fail", "1 clause broken", "red"),
        ("error", "cannot tell", "lightgrey"),
        ("not-run", "judged nothing", "lightgrey"),
    ],
)
def test_badges(record: Record, verdict: str, message: str, colour: str) -> None:
    clause = ClauseResult("a.b", "a", "MUST", Verdict(verdict))
    badge = json.loads(render(replace(record, clauses=(clause,)), "badge"))
    jsonschema.validate(badge, BADGE)
    assert (badge["message"], badge["color"]) == (message, colour)
