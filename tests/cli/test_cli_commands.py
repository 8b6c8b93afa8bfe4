import json
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from conformance import cli
from conformance.contract import load
from conformance.options import RunOptions
from conformance.records import ClauseResult, Record, Verdict, write

FROZEN = "frozen.bit-identical"
ANSWERS = {"pass": 0, "fail": 1, "error": 2}


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def complaint(result: Any) -> str:
    """The one line on the standard error output of a call that was refused."""
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("peft-conformance: ")
    return str(line).removeprefix("peft-conformance: ")


@pytest.fixture
def written(tmp_path: Path, record: Record) -> Path:
    write(record, tmp_path)
    return tmp_path


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], list[RunOptions]]:
    """Replace the session by one that hands back, or raises, what it is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def install(outcome: Any) -> list[RunOptions]:
        asked: list[RunOptions] = []

        def run(options: RunOptions) -> Record:
            asked.append(options)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome  # type: ignore[no-any-return]

        module = types.ModuleType("conformance.session")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "conformance.session", module)
        return asked

    return install


@pytest.mark.parametrize(("verdict", "status"), ANSWERS.items())
def test_run_exits_as_the_record_says(
    session: Any, record: Record, tmp_path: Path, verdict: str, status: int
) -> None:
    clause = ClauseResult(FROZEN, "frozen", "MUST", Verdict(verdict))
    session(replace(record, clauses=(clause,)))
    result = call("run")
    assert result.exit_code == status
    assert "96 s (imports 9 s" in result.stdout.splitlines()[-1]
    names = {path.name for path in (tmp_path / "reports").iterdir()}
    assert names == {"junit.xml", "report.md", "report.html", "badge.json"}


def test_run_passes_its_options_on(session: Any, record: Record, tmp_path: Path) -> None:
    asked = session(record)
    call(
        *("run", "--profile", "smoke", "--chapter", "frozen", "--chapter", "output", "--clause"),
        FROZEN,
        *("--report-dir", tmp_path / "r", "--strict", "--workers", 3, "--seed", 4, "--timeout", 5),
    )
    (options,) = asked
    assert options.chapters == ("frozen", "output")
    assert options.clauses == (FROZEN,)
    found = (options.profile, options.report_dir, options.strict, options.workers)
    assert found == ("smoke", tmp_path / "r", True, 3)
    assert (options.seed, options.timeout) == (4, 5.0)


def test_run_compares_with_a_baseline_and_rewrites_it_when_asked(
    session: Any, record: Record, tmp_path: Path
) -> None:
    session(record)
    path = tmp_path / "baseline.json"
    first = call("run", "--baseline", path, "--update-baseline")
    assert first.stdout.splitlines()[-1] == f"baseline rewritten: {path}"
    before = path.read_bytes()
    lines = call("run", "--baseline", path).stdout.splitlines()
    assert lines[-2].endswith("12 cases in both: every clause as in it")
    assert path.read_bytes() == before


def test_run_refuses_a_damaged_baseline_before_it_judges(session: Any, tmp_path: Path) -> None:
    asked = session(None)
    (tmp_path / "baseline.json").write_text("{", encoding="utf-8")
    said = complaint(call("run", "--baseline", tmp_path / "baseline.json"))
    assert "baseline.json is not JSON" in said
    assert asked == []


def test_run_shows_known_deviations_as_failures_when_asked(session: Any, record: Record) -> None:
    asked = session(record)
    call("run", "--ignore-deviations")
    assert asked[0].ignore_deviations


def test_interrupted(session: Any) -> None:
    session(KeyboardInterrupt())
    result = call("run")
    assert (result.exit_code, result.stderr) == (
        130,
        "peft-conformance: interrupted before anything was judged\n",
    )


def test_a_full_disk(session: Any) -> None:
    session(OSError(28, "No space left on device", "reports/record.json"))
    assert complaint(call("run")) == "No space left on device: reports/record.json"
    session(OSError("odd"))
    assert complaint(call("run")) == "odd"


def test_a_reader_that_went_away() -> None:
    command = f"{sys.executable} -u -m conformance list | exit; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--profile", "quik"], "unknown profile 'quik'; did you mean quick?"),
        (["--clause", "frozen.bit-identica"], "did you mean frozen.bit-identical"),
        (["--chapter", "frozn"], "did you mean frozen"),
        (["--workers", "0"], "0 workers cannot run anything"),
        (["--timeout", "nan"], "a timeout of nan s makes no sense"),
        (["--trainer", "nonsense"], "is not of the form package.module:Class"),
        (["--report-dir", "/proc/here"], "cannot write reports to /proc/here: "),
    ],
)
def test_run_refuses_what_cannot_be(session: Any, arguments: list[str], expected: str) -> None:
    asked = session(None)
    assert expected in complaint(call("run", *arguments))
    assert asked == []


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    lines = call("list").stdout.splitlines()
    assert sum(line.startswith("  ") for line in lines) == len(load().clauses)
    assert any(FROZEN in line and "MUST" in line for line in lines)
    assert {line.split(":")[0] for line in lines if line[0] != " "} == {
        chapter.name for chapter in load().chapters
    }


def test_list_as_json() -> None:
    (chapter,) = json.loads(call("list", "--chapter", "frozen", "--json").stdout)
    assert chapter["name"] == "frozen"
    assert set(chapter["clauses"][0]) == {"id", "level", "statement", "tests"}


def test_explain() -> None:
    text = " ".join(call("explain", FROZEN).stdout.split())
    clause = load().clause(FROZEN)
    assert text.startswith(f"{FROZEN} MUST")
    assert clause.statement in text
    assert clause.broken in text


@pytest.mark.parametrize("arguments", [("explain", "x.y"), ("list", "--chapter", "x")])
def test_unknown_names(arguments: tuple[str, ...]) -> None:
    assert complaint(call(*arguments)).startswith("unknown ")


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


def test_a_run_under_github_actions_is_annotated(
    session: Any, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    session(record)
    assert call("run").stdout.startswith("::error file=conformance/suite/")
    assert (tmp_path / "summary").read_text().startswith("# does not conform")


def test_version() -> None:
    assert call("version").stdout.startswith("peft-conformance 0.")


@pytest.mark.parametrize("arguments", [["run", "--nope"], ["nope"], ["report", "--format", "x"]])
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert call(*arguments).exit_code == 2
