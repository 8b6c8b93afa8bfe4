"""A small disk is full when it is full, is one process's own, and leaves what was written."""

import errno
import os
from pathlib import Path

from conformance.compat import Unavailable
from conformance.running.small_disk import small_disk


def _filled(folder: Path) -> int:
    """Fill it up; the number of the error that this ends with."""
    try:
        with small_disk(folder, 16 * 4096):
            (folder / "kept").write_text("whole")
            (folder / "cut").write_bytes(b"x" * 2**20)
    except Unavailable:
        return 0
    except OSError as error:
        return error.errno or 255
    return 255


def test_it_fills_and_what_was_written_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    pid = os.fork()
    if not pid:
        os._exit(_filled(folder))
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (0, errno.ENOSPC)
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    if ended:
        assert (folder / "kept").read_text() == "whole"
        assert (folder / "cut").stat().st_size < 2**16
