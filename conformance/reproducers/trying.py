"""Running one script before it is handed out: in a new process, offline, with a limit."""

import contextlib
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from conformance import one_thread
from conformance.controls.forking import Send, forked
from conformance.controls.job import Ending
from conformance.printed import bound, end_of
from conformance.records.raised import in_a_line
from conformance.redacting import redacted

LIMIT = 120.0  # seconds a script may take; most of what it needs is to import the libraries
_LOOK = 0.02  # seconds between two looks at a script that runs
SHOWN, CONFORMS, BROKEN = 1, 0, 2
SURROUNDINGS: Mapping[str, str] = MappingProxyType(
    {
        **{"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        **{**one_thread.ENVIRONMENT, "TOKENIZERS_PARALLELISM": "false"},
    }
)
"""The environment that scripts are tried in: no hub, no GPU, one thread."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a script ended: its exit status (`None`: it ran into the limit), and what it printed."""

    status: int | None
    said: str

    @property
    def violations(self) -> tuple[str, ...]:
        """What it found violated, in its words."""
        start = "violated: "
        lines = self.said.splitlines()
        return tuple(line.removeprefix(start) for line in lines if line.startswith(start))

    @property
    def reproduced(self) -> bool:
        """Whether it showed the defect; a script that broke exits with 1 as well."""
        return self.status == SHOWN and bool(self.violations)

    def __str__(self) -> str:
        if self.reproduced:
            return "reproduced in a fresh process"
        if self.status == CONFORMS:
            return "did not reproduce in a fresh process"
        if self.status is None:
            return f"could not judge: still running after {LIMIT:.0f} s"
        said = in_a_line(redacted(self.said)) or f"exit status {self.status}"
        return f"could not judge: {said[:200]}"


def alone(script: Path) -> Tried:
    """Run a script in an interpreter of its own."""
    with _said() as said:
        with said.open("ab") as written:
            running = subprocess.Popen(
                [sys.executable, script],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                env={**os.environ, **SURROUNDINGS},
            )
        status = _waited(running, said)
        return Tried(status, end_of(said))


def _waited(running: "subprocess.Popen[bytes]", said: Path) -> int | None:
    """The exit status of a script that is running; `None` for one that is so for too long."""
    deadline = time.monotonic() + LIMIT
    with running:
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return running.wait(_LOOK)
            bound(said)
        running.kill()
    return None


@contextlib.contextmanager
def _said() -> Iterator[Path]:
    """The file that a script prints to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said"
        path.touch()
        yield path


def in_a_fork(script: Path) -> Tried:
    """Run a script in a fork of this process, which has done nothing but import the libraries."""
    with _said() as said:

        def work(send: Send) -> None:
            for stream in (1, 2):
                os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), stream)
            here = os.getpid()
            status = _status(script)
            sys.stdout.flush()
            sys.stderr.flush()
            if os.getpid() != here:
                os._exit(status)  # a process that the script has forked, which reports to it
            send({"status": status})

        sent = forked(work, LIMIT, lambda: bound(said))
        text = end_of(said)
    if sent.ending is Ending.LATE:
        return Tried(None, text)
    status = next((line["status"] for line in sent.lines if "status" in line), BROKEN)
    return Tried(status, text if sent.lines else f"{text}\n{sent.message}")


def _status(script: Path) -> int:
    """Run a script as a program: its exit status. What it raises goes where a program's does."""
    sys.argv = [str(script)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else BROKEN
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return SHOWN
    return CONFORMS
