"""The program's commands but for those that show records."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calling import call, complaint

from conformance.contract import load
from conformance.records import ClauseResult, Record, Verdict, write

FROZEN = "frozen.bit-identical"
ANSWERS = {"pass": 0, "fail": 1, "error": 2}


@pytest.mark.parametrize(("verdict", "status"), ANSWERS.items())
def test_run_exits_as_the_record_says(
    session: Any, record: Record, tmp_path: Path, verdict: str, status: int
) -> None:
    clause = ClauseResult(FROZEN, "frozen", "MUST", Verdict(verdict))
    session(replace(record, clauses=(clause,)))
    result = call("run")
    assert result.exit_code == status
    assert "96 s" in result.stdout.splitlines()[-1]
    assert status or len(result.stdout.splitlines()) == 1
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
    session(green(record))
    path = tmp_path / "baseline.json"
    first = call("run", "--baseline", path, "--update-baseline")
    assert first.stdout.splitlines()[-1] == f"baseline rewritten: {path}"
    before = path.read_bytes()
    (line,) = call("run", "--baseline", path).stdout.splitlines()
    assert "2 cases in both: every clause as in it" in line
    assert path.read_bytes() == before


def green(record: Record) -> Record:
    """What passes of it."""
    clauses = (clause for clause in record.clauses if clause.verdict is Verdict.PASS)
    return replace(record, clauses=tuple(clauses))


def test_the_page_of_a_run_has_the_history_of_each_clause(
    session: Any, record: Record, tmp_path: Path
) -> None:
    session(record)
    write(record, tmp_path / "earlier" / "one")
    call("run", "--history", tmp_path / "earlier")
    assert "History: it never turned in 1 record." in (tmp_path / "reports/report.html").read_text()


def test_a_red_run_is_no_baseline_unless_that_is_asked_for(
    session: Any, record: Record, tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    session(green(record))
    call("run", "--baseline", path, "--update-baseline")
    before = path.read_bytes()
    session(record)
    said = call("run", "--baseline", path, "--update-baseline").stdout.splitlines()[-1]
    assert said.startswith("baseline not rewritten, as the run is not green: --force-baseline")
    assert path.read_bytes() == before
    forced = call("run", "--baseline", path, "--update-baseline", "--force-baseline")
    assert forced.stdout.splitlines()[-1].startswith("gained: 10 cases (frozen.bit-identical 3, ")


def test_a_narrower_run_is_no_baseline_either(session: Any, record: Record, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    asked = session(green(record))
    call("run", "--baseline", path, "--update-baseline")
    narrower = ("run", "--profile", "smoke", "--baseline", path, "--update-baseline")
    said = complaint(call(*narrower))
    assert said.startswith("the baseline is of profile quick, broader than smoke: --force-baseline")
    assert len(asked) == 1
    assert call(*narrower, "--force-baseline").exit_code == 0


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
