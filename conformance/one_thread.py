"""Forking safely: a process must have one thread, since locks that others hold stay locked."""

import sys
import threading
from pathlib import Path

AVAILABLE = sys.platform == "linux"
"""Whether a process that has imported torch can be forked safely. macOS has `os.fork`, but its
system libraries may abort in a child that does not start another program; Windows has none.
"""

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # that of pyarrow, which datasets imports
}
"""What a process that is to fork has to be started with, so that no library starts threads."""


class SeveralThreads(RuntimeError):
    """A process with more than one thread must not fork."""


def threads() -> int:
    """How many threads this process has, native ones counted."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


def require_one_thread() -> None:
    """Raise `SeveralThreads` unless this process has one thread, native ones counted."""
    native = threads()
    if threading.active_count() > 1 or native > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise SeveralThreads(f"cannot fork with {native} threads ({names})")
