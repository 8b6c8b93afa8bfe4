"""A disk that fills at a step: from then on no file of this process may grow beyond some bytes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from conformance.compat import Unavailable


class _Fills(TrainerCallback):  # type: ignore[misc]
    def __init__(self, step: int, room: int) -> None:
        self.step = step
        self.room = room

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        import resource

        if state.global_step == self.step:
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, most))


@contextlib.contextmanager
def full_from(step: int, room: int) -> Iterator[TrainerCallback]:
    """A callback after whose ``step`` a write beyond ``room`` bytes of a file fails, until the end.

    The kernel then says EFBIG where a full disk says ENOSPC. Raises `Unavailable` where there are
    no such limits.
    """
    try:
        import resource
    except ImportError:
        raise Unavailable("this system has no limit on the size of files") from None
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield _Fills(step, room)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def linked_to_the_full_device(path: Path) -> None:
    """Put a link to the device that is always full where a file is to be written.

    The kernel says ENOSPC of each write to it. Raises `Unavailable` on systems without one.
    """
    device = Path("/dev/full")
    if not device.is_char_device():
        raise Unavailable("this system has no /dev/full")
    path.parent.mkdir(parents=True)
    path.symlink_to(device)
