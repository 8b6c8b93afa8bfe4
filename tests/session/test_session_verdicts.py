"""Whole runs with trainers that misbehave: every other verdict survives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.records import Record, read

HERE = Path(__file__).parent
CHAPTER = ("--profile", "smoke", "--chapter", "signature", "--workers", "2")


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "conformance", "run", "--report-dir", str(folder), *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE)}


def run(folder: Path, trainer: str, *options: str) -> tuple[int, Record]:
    return run_path(folder, f"lying_trainers:{trainer}", *CHAPTER, *options)


def run_path(folder: Path, trainer: str, *options: str) -> tuple[int, Record]:
    chosen = ("--trainer", trainer, *options)
    ended = subprocess.run(
        command(folder, *chosen), env=environment(), capture_output=True, text=True, check=False
    )
    assert (folder / "record.json").exists(), ended.stderr
    return ended.returncode, read(folder)


def verdicts(record: Record) -> dict[str, str]:
    return {clause.id: str(clause.verdict) for clause in record.clauses}


def test_honest_subclass_conforms(tmp_path: Path) -> None:
    status, record = run(tmp_path, "Honest")
    assert (status, set(verdicts(record).values())) == (0, {"pass"})
    assert record.trainer == "lying_trainers:Honest"


@pytest.mark.parametrize(
    ("trainer", "verdict", "expected"), [("Frank", "not-run", 0), ("Talkative", "fail", 1)]
)
def test_a_difference_must_be_declared(
    tmp_path: Path, trainer: str, verdict: str, expected: int
) -> None:
    status, record = run(tmp_path, trainer)
    assert status == expected
    assert verdicts(record) == {
        "signature.train-parameters": verdict,
        "signature.import-path": "pass",
        "signature.model-at-init": "pass",
    }
    declared = "declared by the subject: train() can be verbose"
    assert (record.clauses[0].reason == declared) is (verdict == "not-run")


def test_another_trainer_of_the_library_is_held_to_the_same_clauses(tmp_path: Path) -> None:
    options = ("--profile", "smoke", "--chapter", "output", "--workers", "2")
    status, record = run_path(tmp_path, "transformers:Seq2SeqTrainer", *options)
    assert (status, record.trainer) == (0, "transformers:Seq2SeqTrainer")
    assert set(verdicts(record).values()) <= {"pass", "deviation"}
    assert verdicts(record)["output.named-tuple"] == "pass"
    assert all(clause.judged for clause in record.clauses)


@pytest.mark.parametrize(
    ("trainer", "verdict"),
    [
        *(("Hanging", "timeout"), ("Killed", "crash"), ("Idle", "fail")),
        *(("Faulting", "crash"), ("Exiting", "crash"), ("Hungry", "crash")),
    ],
)
def test_misbehaviour_is_told_and_the_rest_kept(tmp_path: Path, trainer: str, verdict: str) -> None:
    status, record = run(tmp_path, trainer, "--timeout", "8", "--memory", "1500")
    assert (status, record.complete) == (1, True)
    assert verdicts(record) == {
        "signature.train-parameters": "pass",
        "signature.import-path": "pass",
        "signature.model-at-init": verdict,
    }
    said = [case.message for clause in record.clauses for case in clause.cases]
    assert any("more than 1500 MiB of memory" in each for each in said) is (trainer == "Hungry")


def test_a_process_that_a_case_forked_judges_nothing(tmp_path: Path) -> None:
    _, record = run(tmp_path, "Forking")
    ids = [(case.clause, case.id) for clause in record.clauses for case in clause.cases]
    assert len(ids) == len(set(ids)) > 0
    assert set(verdicts(record).values()) == {"pass"}


def test_a_case_deaf_to_signals_times_out(tmp_path: Path) -> None:
    options = ("--timeout", "3", "--clause", "signature.model-at-init")
    _, record = run(tmp_path, "Deaf", *options)
    assert verdicts(record)["signature.model-at-init"] == "timeout"


def test_what_one_case_does_to_its_process_no_other_notices(tmp_path: Path) -> None:
    """Chapter output: clauses that measure dates, folders, precision and random numbers."""
    options = ("--profile", "smoke", "--chapter", "output", "--workers", "1")
    status, record = run_path(tmp_path, "lying_trainers:Rude", *options)
    assert status == 0
    assert set(verdicts(record).values()) <= {"pass", "deviation"}
    assert (tmp_path / "report.html").stat().st_size < 2**20
