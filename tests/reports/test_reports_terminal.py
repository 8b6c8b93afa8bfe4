"""What a terminal shows: a sentence when all is well, what to do when it is not."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from conformance.baselines import BaselineChanges, changes
from conformance.contract import load
from conformance.deviations import load as load_deviations
from conformance.records import Case, ClauseResult, Record, Stack, Verdict
from conformance.reports.explaining import explained, show_clause
from conformance.reports.html import html
from conformance.reports.terminal import show

FROZEN = "frozen.bit-identical"
MESSAGE = """base parameters and buffers
  got:      1 of 43 tensors differ
  expected: bit-identical tensors"""


def printed(
    record: Record,
    found: BaselineChanges | None = None,
    folder: Path | None = None,
    *,
    verbose: bool = False,
) -> str:
    file = io.StringIO()
    show(record, Console(file=file, width=100), found, folder, verbose=verbose)
    return file.getvalue()


def judged(record: Record, verdict: Verdict, **said: str) -> Record:
    case = Case("test_bit_identical[x]", FROZEN, {"seed": 3}, verdict, {"compared": 43}, **said)
    clause = ClauseResult(FROZEN, "frozen", "MUST", verdict, "", (case,))
    return replace(record, clauses=(clause,), complete=True, fault="")


def test_a_green_run_fits_in_a_sentence(record: Record) -> None:
    (line,) = printed(judged(record, Verdict.PASS)).splitlines()
    assert line == "conforms: 1 clause passes · 1 case · 96 s"


def test_so_does_one_with_a_baseline_deviations_and_what_was_not_run(
    record: Record, tmp_path: Path
) -> None:
    (tmp_path / "report.html").touch()
    told = {"deviation": "native-best", "message": "declared by the subject: x"}
    clauses = [
        ClauseResult(
            f"a.b-{verdict}", "a", "MUST", verdict, "", (Case("x", "a", {}, verdict, **told),)
        )
        for verdict in (Verdict.PASS, Verdict.DEVIATION, Verdict.NOT_RUN)
    ]
    now = replace(judged(record, Verdict.PASS), clauses=tuple(clauses))
    found = changes(replace(now, clauses=now.clauses[:1]), now, Path("b.json"))
    (line,) = printed(now, found, tmp_path).splitlines()
    assert line.startswith("conforms: 1 clause passes, 1 known deviation, 1 not run · 3 cases · 96")
    assert "· 1 case not run as the subject declares · baseline of 2025-01-02, 1 case" in line
    assert line.endswith(f": every clause as in it · {tmp_path}/report.html")
    assert len(printed(now, found, tmp_path, verbose=True).splitlines()) > 3


def test_what_was_hurt_on_purpose_takes_a_line(record: Record) -> None:
    told = {"tried SIGKILL: as unhurt": 2, "tried cut: an \x1b[2Jerror": 1}
    case = Case("x", FROZEN, {}, Verdict.PASS, told)
    clause = ClauseResult(FROZEN, "frozen", "MUST", Verdict.PASS, "", (case,))
    hurt = replace(record, clauses=(clause,), fault="")
    line, _ = printed(hurt, verbose=True).splitlines()
    told_of = "hurt on purpose 3 times: an error 1, as unhurt 2"
    assert line == f"{told_of} (what got which: report.html)"
    assert "<p>SIGKILL 2 (as unhurt 2); cut 1 (an error 1).</p>" in html(hurt)


def test_a_red_clause_says_what_broke_and_what_to_do(record: Record) -> None:
    told = {
        "message": MESSAGE,
        "reproducer": "pytest --pyargs conformance.suite.test_frozen::test_bit_identical",
        "script": "reproducers/frozen.bit-identical.py",
        "reproduced": "reproduced in a fresh process",
    }
    before = replace(
        judged(record, Verdict.PASS), stack=replace(record.stack, packages={"peft": "0.14.0"})
    )
    after = judged(record, Verdict.FAIL, **told)
    text = printed(after, changes(before, after, Path("b.json")), Path("reports"))
    labels = {line[2:14].strip(): line[14:] for line in text.splitlines() if line[2:14].strip()}
    assert labels["documented"].startswith("After `train()` every parameter and every buffer")
    assert labels["fail"] == "1 of 1 cases" + " " * (len(labels["fail"]) - 12)
    assert labels["measured"].startswith("base parameters and buffers")
    assert labels["evidence"].startswith("compared=43")
    assert labels["smallest"] == "test_bit_identical[x]"
    assert labels["script"] == f"reports/{told['script']}: {told['reproduced']}"
    assert labels["run again"] == told["reproducer"]
    held = "passed in the baseline of 2025-01-02; suspects: peft 0.14.0 → 0.15.0"
    assert labels["since"].rstrip() == held


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (Verdict.PASS, "passed in the baseline of 2025-01-02; no package moved since: the machine"),
        (Verdict.DEVIATION, "was a known deviation in the baseline of 2025-01-02; no package"),
        (Verdict.FAIL, "failed in the baseline of 2025-01-02 as well: none new"),
    ],
)
def test_where_no_package_moved(record: Record, before: Verdict, expected: str) -> None:
    then, now = judged(record, before), judged(record, Verdict.FAIL, message=MESSAGE)
    assert expected in printed(now, changes(then, now, Path("b.json")))


def test_without_a_baseline_there_are_no_suspects(record: Record) -> None:
    text = printed(judged(record, Verdict.FAIL, message=MESSAGE))
    assert "since" not in text
    assert "baseline" not in text


def test_what_the_cases_that_got_worse_came_to_is_told_and_not_their_clause(
    record: Record,
) -> None:
    now = judged(record, Verdict.FAIL, message=MESSAGE)
    then = judged(record, Verdict.PASS)
    (clause,) = then.clauses
    other = replace(clause.cases[0], id="test_y[z]", verdict=Verdict.DEVIATION)
    clause = replace(clause, cases=(*clause.cases, other), verdict=Verdict.DEVIATION)
    then = replace(then, clauses=(clause,))
    assert "passed in the baseline" in printed(now, changes(then, now, Path("b.json")))


def test_a_clause_that_the_baseline_lacks_says_so(record: Record) -> None:
    now = judged(record, Verdict.FAIL, message=MESSAGE)
    then = replace(now, clauses=())
    assert "not in the baseline of 2025-01-02" in printed(now, changes(then, now, Path("b.json")))


def test_tracebacks_are_left_to_other_reports(record: Record) -> None:
    message = "OSError in phase train: no\nTraceback (most recent call last):\n  File x"
    text = printed(judged(record, Verdict.FAIL, message=message))
    assert "OSError in phase train: no" in text
    assert "File x" not in text


def test_what_differs_from_the_baseline_takes_two_lines(record: Record) -> None:
    now = judged(record, Verdict.PASS)
    same = printed(now, changes(now, now, Path("b.json")), verbose=True).splitlines()
    assert same[0] == "baseline of 2025-01-02, 1 case in both: every clause as in it"
    then = replace(judged(record, Verdict.FAIL), stack=Stack("3.10.0", "", "cpu", {"torch": "2.5"}))
    found = printed(now, changes(then, now, Path("b.json")), verbose=True).splitlines()
    assert found[0].endswith(f"in both: 1 fixed ({FROZEN})")
    assert found[1] == (
        "moved since the baseline: python 3.10.0 → 3.11.7, torch 2.5 → 2.6.0, peft none → 0.15.0"
    )
    assert len(found) == 3


# ---- one clause -----------------------------------------------------------------------------


def told(identifier: str) -> str:
    file = io.StringIO()
    show_clause(explained(load(), identifier), Console(file=file, width=80))
    return file.getvalue()


def test_explain_says_all_there_is() -> None:
    text = told("checkpoint.best-model")
    assert text.startswith("checkpoint.best-model MUST: a documented guarantee")
    for title in ("Source", "If it breaks", "Tests", "Faults that turn it red", "Run"):
        assert f"\n{title}\n" in text
    assert "  test_checkpoint_best.py::test_best_model" in text
    assert "  last-model-taken-for-the-best: " in text
    assert "\n  peft-conformance run --clause checkpoint.best-model\n" in text
    assert "\n  peft-conformance faults last-model-taken-for-the-best " in text


def test_explain_shows_deviations_with_releases_link_and_script() -> None:
    known = next(d for d in load_deviations() if d.id == "native-best")
    lines = told("checkpoint.best-model").splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  native-best: "))
    after = [line.strip() for line in lines[at : at + 8]]
    assert any(
        line.startswith(f"releases: transformers {known.versions['transformers']}")
        for line in after
    )
    assert f"upstream: {known.link}" in after
    (script,) = (line for line in after if line.startswith("script: "))
    assert Path(script.removeprefix("script: ")).name == known.script
