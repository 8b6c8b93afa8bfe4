"""Leaving nothing behind: a run's temporary files in one folder, its processes ended with it."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from conformance.options import UsageError

_ROUNDS = 20  # looks for processes that were started while others were being ended
_PATIENCE = 0.1  # seconds for those ended in one round to go
GRACE = 1.5  # seconds a process that is told to end gets to do it by itself
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
LOCK = ".running.lock"
_PREFIX = "conformance-"
_OWNED = ".temporary.lock"  # not `LOCK`, which may lie in a folder of reports of such a name


class Ended(KeyboardInterrupt):
    """A signal asked this process to end; ``status`` is what it is to exit with."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextlib.contextmanager
def heeding_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process as an interrupt does, but where they are ignored already.

    On leaving, all is as it was: until then `leaving_nothing` is deaf to a second one.
    """

    def end(number: int, _: FrameType | None) -> None:
        raise Ended(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {each: signal.getsignal(each) for each in _SIGNALS}
    for each, handler in kept.items():
        if handler is signal.SIG_DFL:
            signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def leaving_nothing() -> Iterator[None]:
    """Temporary files made inside go to a folder that is removed; processes started are ended.

    That no other signal breaks this off is up to `heeding_signals`.
    """
    _adopt_orphans()
    others = _descendants()
    kept, before = os.environ.get("TMPDIR"), tempfile.tempdir
    with _temporary_folder() as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            _be_deaf_to(*_SIGNALS)
            end_descendants(others)
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


def end_descendants(others: Collection[Any] = ()) -> None:
    """End all that this process has started, what those have started, and their shared memory; but
    for ``others``.
    """
    import psutil

    for _ in range(_ROUNDS):
        left = [each for each in _descendants() if each not in others]
        if not left:
            return
        for each in left:
            with contextlib.suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(left, timeout=_PATIENCE)
        for each in left:
            _free_shared_memory(each.pid)


def waited(child: "subprocess.Popen[Any]") -> int:
    """The exit status of a process, which ends with what waits for it: told to, then made to.

    Started in a session of its own, it hears of an interrupt from here alone, and once.
    """
    try:
        return child.wait()
    finally:
        end_together([child])


def end_together(children: "Sequence[subprocess.Popen[Any]]", grace: float = GRACE) -> None:
    """Tell them to end, and end those that have not within so many seconds for all of them."""
    end = time.monotonic() + grace
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(AttributeError, ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait()


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


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    """A folder that is removed on leaving or, where this process is killed, by the next one here.

    A lock tells whether somebody has it: a number of a process would say nothing to one that sees
    other processes and the same folder.
    """
    from filelock import FileLock, Timeout

    _remove_what_nobody_has(Path(tempfile.gettempdir()))
    while True:  # until none took it for left behind before it was locked
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        lock = FileLock(Path(folder) / _OWNED)
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0)
            if (Path(folder) / _OWNED).exists():
                break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _remove_what_nobody_has(place: Path) -> None:
    """Remove the temporary folders there of this user's processes that were killed."""
    from filelock import FileLock, Timeout

    user = getattr(os, "getuid", lambda: 0)()
    for folder in place.glob(f"{_PREFIX}*"):
        lock = FileLock(folder / _OWNED)
        with contextlib.suppress(OSError, Timeout):
            if folder.lstat().st_uid != user or not (folder / _OWNED).is_file():
                continue
            lock.acquire(timeout=0)
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def _be_deaf_to(*signals: int) -> None:
    if threading.current_thread() is threading.main_thread():
        for each in signals:
            signal.signal(each, signal.SIG_IGN)


def _descendants() -> list[Any]:
    import psutil

    found: list[Any] = psutil.Process().children(recursive=True)
    return found


def _adopt_orphans() -> None:
    """Have processes whose parent ends become children of this one, where they are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPT, 1)


def _free_shared_memory(pid: int) -> None:
    """Remove what torch had made in the moment between naming shared memory and unlinking it."""
    for path in Path("/dev/shm").glob(f"torch_{pid}_*"):  # noqa: S108 - Linux's own
        with contextlib.suppress(OSError):
            path.unlink()
