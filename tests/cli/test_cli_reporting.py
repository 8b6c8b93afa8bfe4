"""``report`` and ``compare``: every format, and what they refuse."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from calling import call, complaint

from conformance import paths
from conformance.baselines import update
from conformance.records import Record, Verdict, write

FROZEN = "frozen.bit-identical"


def test_report_to_the_terminal(written: Path) -> None:
    for place in (written, written / "record.json"):
        result = call("report", place)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1].startswith("does not conform: ")


def test_report_in_other_formats(written: Path) -> None:
    assert call("report", written, "--format", "markdown").stdout.startswith("# does not conform")
    assert call("report", written, "--format", "html").stdout.startswith("<!doctype html>")
    assert ElementTree.fromstring(call("report", written, "--format", "junit").stdout)
    assert call("report", written, "--format", "annotations").stdout.startswith("::error ")
    assert json.loads(call("report", written, "--format", "badge").stdout)["color"] == "red"


def test_report_compares_with_the_baseline(
    written: Path, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "baselines", lambda: tmp_path / "baselines")
    good = tuple(replace(case, verdict=Verdict.PASS) for case in record.clauses[0].cases)
    clauses = (replace(record.clauses[0], cases=good, verdict=Verdict.PASS),)
    stack = replace(record.stack, packages={"peft": "0.14.0"})
    update(replace(record, clauses=clauses, stack=stack))
    for form in ("terminal", "annotations", "markdown"):
        assert "peft 0.14.0 → 0.15.0" in call("report", written, "--format", form).stdout


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_report_to_a_file(written: Path, form: str) -> None:
    out = written / "out.txt"
    result = call("report", written, "--format", form, "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "does not conform" in out.read_text()


def test_report_of_what_is_no_record(written: Path) -> None:
    (written / "record.json").write_text("{")
    assert "record.json is not JSON, or was cut short" in complaint(call("report", written))
    assert complaint(call("report", written / "none")).endswith("none does not exist")


def test_report_to_a_place_that_is_not_there(written: Path) -> None:
    out = written / "none" / "out.html"
    expected = f"No such file or directory: {out}"
    assert complaint(call("report", written, "--out", out)) == expected


def test_compare(written: Path, record: Record) -> None:
    good = replace(record.clauses[0], verdict=Verdict.PASS, cases=record.clauses[0].cases[:1])
    stack = replace(record.stack, packages={"torch": "2.5.0"})
    before = replace(record, clauses=(good, *record.clauses[1:]), stack=stack)
    write(before, written / "old")
    result = call("compare", written / "old", written)
    lines = result.stdout.splitlines()
    assert lines[:2] == ["torch: 2.5.0 → 2.6.0", "peft: none → 0.15.0"]
    assert lines[2] == f"regressed: {FROZEN} (MUST): pass → fail"
    assert lines[3].startswith("  llama-wrapped-lora,seed=1: absent → fail: <script>")
    assert lines[-1] == "1 clause changed, 1 got worse, 1 of them MUST"
    assert result.exit_code == 1


def test_compare_with_itself(written: Path) -> None:
    result = call("compare", written, written)
    assert result.exit_code == 0
    *_, counts, last = result.stdout.splitlines()
    assert counts == "0 regressed, 0 fixed, 0 added, 0 removed, 0 changed, 8 unchanged"
    assert last == "0 clauses changed, 0 got worse, 0 of them MUST"


def test_compare_shortens_long_lists(written: Path, record: Record) -> None:
    clause = record.clauses[0]
    cases = tuple(replace(clause.cases[0], id=f"case-{n}") for n in range(9))
    more = replace(clause, cases=(*clause.cases, *cases), reason="why")
    write(replace(record, clauses=(more, *record.clauses[1:])), written / "more")
    text = call("compare", written, written / "more").stdout
    assert "  why\n" in text
    assert "  … and 4 more cases\n" in text


def test_compare_in_other_formats(written: Path) -> None:
    out = written / "compared.html"
    result = call("compare", written, written, "--format", "html", "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_text().startswith("<!doctype html>")
    text = call("compare", written, written, "--format", "markdown").stdout
    assert text.startswith("# nothing got worse\n")


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_report_of_a_folder_of_records(record: Record, tmp_path: Path, form: str) -> None:
    for name in "ab":
        write(record, tmp_path / name)
    (tmp_path / "c.json").write_text("{")
    result = call("report", tmp_path, "--format", form)
    assert result.exit_code == 0
    assert "2 records by release" in result.stdout
    assert "c.json" in result.stdout
    assert "the file is not JSON, or was cut short" in result.stdout
    assert "2 records by date" in call("report", tmp_path, "--by", "date").stdout


def test_a_committed_baseline_is_compared_like_a_record(
    written: Path, record: Record, tmp_path: Path
) -> None:
    good = tuple(replace(case, verdict=Verdict.PASS) for case in record.clauses[0].cases)
    clauses = (replace(record.clauses[0], cases=good, verdict=Verdict.PASS), *record.clauses[1:])
    path = update(replace(record, clauses=clauses), tmp_path / "b.json")
    result = call("compare", path, written)
    assert f"regressed: {FROZEN} (MUST): pass → fail" in result.stdout
    assert result.exit_code == 1
    assert call("compare", path, path).exit_code == 0


def test_a_report_shows_the_history_of_each_clause(written: Path, record: Record) -> None:
    clauses = tuple(replace(each, verdict=Verdict.PASS) for each in record.clauses)
    older = replace(record, clauses=clauses, started="2024-01-01T00:00:00+00:00")
    write(older, written / "earlier" / "a")
    write(record, written / "earlier" / "b")
    history = ("--history", written / "earlier")
    text = call("report", written, "--format", "html", *history).stdout
    assert "<li>pass → fail: 2025-01-02, with nothing in the stack moved</li>" in text
    assert "History: it never turned in 2 records." in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--format", "badge"], "a history has no format badge; it has terminal, markdown, html"),
        (["--by", "name"], "a history runs by release or date, not by name"),
    ],
)
def test_a_history_refuses(record: Record, tmp_path: Path, arguments: Any, expected: str) -> None:
    write(record, tmp_path / "a")
    assert complaint(call("report", tmp_path, *arguments)) == expected


def test_compare_refuses_what_it_cannot_write(written: Path) -> None:
    expected = "a comparison has no format junit; it has terminal, markdown, html"
    assert complaint(call("compare", written, written, "--format", "junit")) == expected
