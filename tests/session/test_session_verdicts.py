"""Whole runs with trainers that misbehave: every other verdict survives."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.records import Record, RecordError, read

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
    ("trainer", "verdict"), [("Hanging", "timeout"), ("Killed", "crash"), ("Idle", "fail")]
)
def test_misbehaviour_is_told_and_the_rest_kept(tmp_path: Path, trainer: str, verdict: str) -> None:
    status, record = run(tmp_path, trainer, "--timeout", "8")
    assert (status, record.complete) == (1, True)
    assert verdicts(record) == {
        "signature.train-parameters": "pass",
        "signature.import-path": "pass",
        "signature.model-at-init": verdict,
    }


def test_a_case_deaf_to_signals_times_out(tmp_path: Path) -> None:
    options = ("--timeout", "3", "--clause", "signature.model-at-init")
    _, record = run(tmp_path, "Deaf", *options)
    assert verdicts(record)["signature.model-at-init"] == "timeout"


def _heeds_interrupts() -> None:
    """A shell that starts this in the background has interrupts ignored, which is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupted_run_leaves_an_unreadable_record(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "--profile", "quick", "--chapter", "frozen"),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heeds_interrupts,  # noqa: PLW1509 - this process has no other thread
    )
    journal = tmp_path / "record.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if journal.exists() and len(journal.read_text().splitlines()) > 3:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    with pytest.raises(RecordError, match="broken off after"):
        read(tmp_path)
    assert json.loads((tmp_path / "record.json").read_text())["complete"] is False
