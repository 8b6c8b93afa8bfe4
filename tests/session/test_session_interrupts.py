"""What an interrupted command waits for, ends and says."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conformance import collector
from conformance.collector import Collector
from conformance.leaving import LOCK
from conformance.progress import Progress
from conformance.records import Journal


def test_where_an_interrupt_came_is_not_written_at_length(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pytest's terminal asks for it before a run can end, next after this plugin."""
    for name in ("be_deaf_to_interrupts", "end_descendants"):
        monkeypatch.setattr(collector, name, lambda: None)
    with pytest.raises(KeyboardInterrupt) as excinfo:
        raise KeyboardInterrupt
    hook = Collector.pytest_keyboard_interrupt
    hook(Collector(Journal(tmp_path), (), Progress(sys.stderr), 1.0, 0), excinfo)
    written = excinfo.getrepr(funcargs=True)
    assert type(written.reprtraceback).__name__ == "ReprTracebackNative"
    assert written.reprcrash is not None
    assert hook.pytest_impl["tryfirst"]


FAULT = "one-base-weight-nudged"
COMMANDS = {
    ("faults", FAULT): " after 0 of 1 faults; kept in OUT, the same command plants the rest",
    ("steady", "--seeds", "2", "--workers", "1"): " after 0 of 2 runs, 0 unsteady",
    ("upgrade", "--to", "peft==0.0.1"): " before anything was judged",
    ("bisect", "frozen.bit-identical"): " before anything was judged",
    ("matrix", "--at-once", "2"): " after 0 of ",
}


def started(command: "tuple[str, ...]", scratch: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "conformance", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
        start_new_session=True,
    )


def below(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """What the program has started, once one of it is a Python of its own."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        found = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(psutil.Error):
            if any("-m" in each.cmdline() for each in found):
                return found
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_that_is_told_to_end(command: "tuple[str, ...]", tmp_path: Path) -> None:
    """It ends what it has started, leaves no temporary file, and says what is known."""
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    where = () if command[0] == "steady" else ("--report-dir", str(out))
    process = started((*command, *where), scratch)
    children = below(process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1].splitlines()
    expected = COMMANDS[command].replace("OUT", str(out))
    assert said[-1].startswith(f"peft-conformance: interrupted by SIGTERM{expected}")
    assert process.returncode == 128 + signal.SIGTERM
    assert not [each for each in children if each.is_running()]
    assert not list(scratch.iterdir())
    assert not list(tmp_path.rglob(".running.lock"))


def test_what_one_that_was_killed_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """But not what one has that goes on, nor reports whose run was killed."""
    code = (
        "from conformance.leaving import leaving_nothing as l\nwith l(): print(flush=True), input()"
    )
    killed, other = (
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        for _ in range(2)
    )
    reports = tmp_path / "conformance-reports"
    reports.mkdir()
    (reports / LOCK).touch()
    for each in (killed, other):
        assert each.stdout is not None and each.stdout.readline()
    assert len(list(tmp_path.iterdir())) == 3
    killed.kill()
    killed.wait()
    subprocess.run(
        [sys.executable, "-c", code],
        input=b"\n",
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True,
    )
    assert len(list(tmp_path.iterdir())) == 2
    other.communicate(b"\n")
    assert list(tmp_path.iterdir()) == [reports]
