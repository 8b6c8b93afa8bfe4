"""Runs that are killed, interrupted, resumed, or started twice: nothing lost, nothing left."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conformance.records import RecordError, read, recover

CHOSEN = ("--profile", "smoke", "--chapter", "frozen", "--workers", "2")


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "conformance", "run", "--report-dir", str(folder), *options]


def ended(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(folder, *CHOSEN, *options), capture_output=True, text=True, check=False
    )


def _heeds_interrupts() -> None:
    """A shell that starts this in the background has interrupts ignored, which is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _worker(pid: int) -> psutil.Process | None:
    """The run's first worker: not `platform`'s ``uname``, nor a fork that is yet to be one."""
    for each in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if any("sys.stdin.readline" in word for word in each.cmdline()):
                return each
    return None


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def started(tmp_path: Path, scratch: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run that has judged some of its cases."""
    process = subprocess.Popen(
        command(tmp_path / "out", *CHOSEN),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
        start_new_session=True,
        preexec_fn=_heeds_interrupts,  # noqa: PLW1509 - this process has no other thread
    )
    journal = tmp_path / "out" / "record.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def descendants(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    assert found
    return found


def test_interrupted(started: "subprocess.Popen[str]", tmp_path: Path, scratch: Path) -> None:
    folder, below = tmp_path / "out", descendants(started)
    os.killpg(started.pid, signal.SIGINT)
    printed, said = started.communicate(timeout=60)
    assert (started.returncode, printed) == (130, "")
    first, kept, again = said.splitlines()
    count = len(recover(folder).cases)
    assert first == f"peft-conformance: interrupted after {count} cases: {count} pass"
    assert kept == f"kept in {folder}/record.jsonl; to judge what is missing:"
    assert again.startswith("  peft-conformance run --resume --profile smoke ")
    assert not [each for each in below if each.is_running()]
    assert not list(scratch.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == ["record.json", "record.jsonl"]
    with pytest.raises(RecordError, match="broken off after"):
        read(folder)


def test_killed_and_resumed(started: "subprocess.Popen[str]", tmp_path: Path) -> None:
    folder, below = tmp_path / "out", descendants(started)
    os.killpg(started.pid, signal.SIGSTOP)  # so that it does not come to its end meanwhile
    second = ended(folder)
    assert second.returncode == 2 and f"another run is writing to {folder}:" in second.stderr
    started.kill()
    started.communicate(timeout=60)
    assert psutil.wait_procs(below, timeout=10)[1] == []
    before = recover(folder).cases
    other = ended(folder, "--resume", "--seed", "7")
    assert other.returncode == 2 and "its seed was 0, this one's is 7" in other.stderr
    assert ended(folder, "--resume").returncode == 0
    record = read(folder)
    judged = [case for clause in record.clauses for case in clause.cases]
    ids = {(case.clause, case.id) for case in judged}
    assert all(case in judged for case in before) and len(ids) == len(judged) > len(before)
    assert {str(case.verdict) for case in judged} == {"pass"}
    assert len(record.resumed) == 1 and not (folder / "record.jsonl").exists()
    assert ended(folder, "--resume").returncode == 0
    assert read(folder) == record


def test_workers_are_deaf_from_their_first_moment(tmp_path: Path) -> None:
    """Or each would write a traceback below what the run says of an interrupt."""
    process = subprocess.Popen(
        command(tmp_path / "out", *CHOSEN),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heeds_interrupts,  # noqa: PLW1509 - this process has no other thread
    )
    while (worker := _worker(process.pid)) is None:
        assert process.poll() is None
    masks = dict(
        line.split(":\t") for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    )
    deaf = int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert deaf & 1 << (signal.SIGINT - 1)
    assert (process.returncode, "Traceback" in said) == (130, False)
