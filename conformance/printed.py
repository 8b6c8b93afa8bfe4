"""What a process prints into a file that others append to as well, in bounds."""

import contextlib
import os
from pathlib import Path

MOST = 16 * 2**20
"""Bytes; of what grows beyond, the end is kept."""

END = 2**18
"""Bytes that are kept, and read."""


def bound(path: Path) -> None:
    """Keep the end of a file that has grown too long; processes append to it."""
    with contextlib.suppress(FileNotFoundError):  # nobody has come so far
        if path.stat().st_size > MOST:
            end = _end(path)
            os.truncate(path, 0)
            with path.open("ab") as file:
                file.write(end)


def end_of(path: Path) -> str:
    """The end of a file, in at most `END` bytes."""
    return _end(path).decode(errors="replace")


def _end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END))
        return file.read(END)
