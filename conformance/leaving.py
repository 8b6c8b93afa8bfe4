"""Leaving nothing behind: a run's temporary files in one folder, its processes ended with it."""

import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from conformance.options import UsageError

_ROUNDS = 20  # looks for processes that were started while others were being ended
_PATIENCE = 0.1  # seconds for those ended in one round to go
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
LOCK = ".running.lock"


class Ended(KeyboardInterrupt):
    """A signal asked this process to end; ``status`` is what it is to exit with."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextlib.contextmanager
def leaving_nothing() -> Iterator[None]:
    """Temporary files made inside go to a folder that is removed; processes started are ended.

    SIGTERM and SIGHUP end this process as an interrupt does.
    """
    _adopt_orphans()
    kept, before = os.environ.get("TMPDIR"), tempfile.tempdir
    with (
        _ended_by(signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)),
        tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder,
    ):
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            end_descendants()
            tempfile.tempdir = before
            if kept is None:
                os.environ.pop("TMPDIR", None)
            else:
                os.environ["TMPDIR"] = kept


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder of reports; raises `UsageError` when another run writes there."""
    from filelock import FileLock, Timeout

    lock, path = FileLock(folder / LOCK), folder / LOCK
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"another run is writing to {folder}: wait for it, or give another --report-dir"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # where a file that is open cannot be removed
            path.unlink()
        lock.release()


def end_descendants() -> None:
    """End all that this process has started, what those have started, and their shared memory."""
    import psutil

    for _ in range(_ROUNDS):
        left = psutil.Process().children(recursive=True)
        if not left:
            return
        for each in left:
            with contextlib.suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(left, timeout=_PATIENCE)
        for each in left:
            _free_shared_memory(each.pid)


def be_deaf_to_interrupts() -> None:
    """Leave an interrupt from the terminal, which all its processes get, to who started this."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        hold_interrupts(False)


def hold_interrupts(whether: bool) -> None:
    """Have an interrupt wait, for this thread and for what it starts meanwhile, or come again.

    A process that is started is deaf from its first moment then, until it says so for itself.
    """
    if hasattr(signal, "pthread_sigmask"):
        how = signal.SIG_BLOCK if whether else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, {signal.SIGINT})


def end_with_the_parent() -> None:
    """Have the kernel end this process when the one that started it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Have processes whose parent ends become children of this one, where they are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPT, 1)


def _free_shared_memory(pid: int) -> None:
    """Remove what torch had made in the moment between naming shared memory and unlinking it."""
    for path in Path("/dev/shm").glob(f"torch_{pid}_*"):  # noqa: S108 - Linux's own
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def _ended_by(*signals: int) -> Iterator[None]:
    """These signals raise `Ended` inside, but for those that are ignored already."""

    def end(number: int, _: FrameType | None) -> None:
        raise Ended(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {each: signal.getsignal(each) for each in signals}
    for each, handler in kept.items():
        if handler is signal.SIG_DFL:
            signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
