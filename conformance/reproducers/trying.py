"""Running one script before it is handed out: in a new process, offline, with a limit."""

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from conformance import one_thread
from conformance.controls.forking import Send, forked
from conformance.controls.job import Ending
from conformance.records.raised import in_a_line
from conformance.redacting import redacted

LIMIT = 120.0  # seconds a script may take; most of what it needs is to import the libraries
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
    try:
        ended = subprocess.run(
            [sys.executable, script],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env={**os.environ, **SURROUNDINGS},
        )
    except subprocess.TimeoutExpired:
        return Tried(None, "")
    return Tried(ended.returncode, f"{ended.stdout}\n{ended.stderr}")


def in_a_fork(script: Path) -> Tried:
    """Run a script in a fork of this process, which has done nothing but import the libraries."""
    with tempfile.TemporaryFile() as said:

        def work(send: Send) -> None:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            here = os.getpid()
            status = _status(script)
            sys.stdout.flush()
            sys.stderr.flush()
            if os.getpid() != here:
                os._exit(status)  # a process that the script has forked, which reports to it
            send({"status": status})

        sent = forked(work, LIMIT)
        said.seek(0)
        text = said.read().decode(errors="replace")
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
