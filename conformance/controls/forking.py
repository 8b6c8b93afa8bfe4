"""Work done in a forked child that may crash or hang, and what it sent before that."""

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from conformance.one_thread import require_one_thread

from .job import Ending

_LOOK = 0.02  # seconds between two looks at a child

Send = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """What a child sent, in order, and how it ended."""

    lines: tuple[dict[str, Any], ...]
    ending: Ending
    message: str
    seconds: float


def forked(
    work: Callable[[Send], None], limit: float, meanwhile: Callable[[], None] = lambda: None
) -> Sent:
    """Call ``work(send)`` in a forked child; returns what it sent within ``limit`` seconds.

    ``meanwhile`` is called now and then.

    The child leads a process group of its own, which is ended with it, and keeps its temporary
    files in a folder that is removed. Raises `SeveralThreads` when this process cannot fork.
    """
    require_one_thread()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        sent = Path(scratch) / "sent"
        child = os.fork()
        if child == 0:
            _be_child(work, sent, scratch)
        try:
            in_time = _wait(child, began + limit, meanwhile)
        finally:
            status = _end(child)
        text = sent.read_bytes() if sent.exists() else b""
    *whole, _ = text.split(b"\n")
    lines = tuple(map(json.loads, whole))
    problem = next((line["problem"] for line in lines if "problem" in line), "")
    ending, message = _ending(status if in_time else None, problem, limit)
    return Sent(lines, ending, message, round(time.monotonic() - began, 2))


# ---- the child ------------------------------------------------------------------------------


def _be_child(work: Callable[[Send], None], sent: Path, scratch: str) -> NoReturn:
    """Never returns: whatever happens here must not reach what the parent was about to do."""
    import resource

    status = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _work(work, sent)
        status = 0
    finally:
        os._exit(status)


def _work(work: Callable[[Send], None], sent: Path) -> None:
    with sent.open("wb", buffering=0) as file:

        def send(data: dict[str, Any]) -> None:
            file.write(json.dumps(data).encode() + b"\n")

        try:
            work(send)
        except BaseException as error:
            send({"problem": f"{type(error).__name__}: {error}"})


# ---- the parent -----------------------------------------------------------------------------


def _wait(child: int, deadline: float, meanwhile: Callable[[], None]) -> bool:
    """Whether the child ended by the deadline. It is not reaped: its number stays its own."""
    while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        if time.monotonic() > deadline:
            return False
        meanwhile()
        time.sleep(_LOOK)
    return True


def _end(child: int) -> int:
    """End the child and the processes it left; its exit status, or minus what signal ended it."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _ending(status: int | None, problem: str, limit: float) -> tuple[Ending, str]:
    if problem:
        return Ending.FAILED, problem
    if status is None:
        return Ending.LATE, f"no verdict within {limit:.0f} s"
    if status == 0:
        return Ending.DONE, ""
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return Ending.CRASHED, f"the process died: {how}"
