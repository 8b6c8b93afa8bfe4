"""A small disk of this process's own over a folder: what does not fit is ENOSPC, as on any disk."""

import contextlib
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance.compat import Unavailable

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
_PRIVATE, _RECURSIVE = 1 << 18, 1 << 14  # MS_PRIVATE, MS_REC
_LET_GO = 2  # MNT_DETACH


@contextlib.contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """Have ``folder`` be a disk of ``room`` bytes inside; what is on it then is kept in the folder.

    The process has to be one that ends after it: it gets mounts of its own, which go with it,
    however it ends. Raises `Unavailable` where it may have none.
    """
    _own_mounts()
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        size = f"size={room},mode=0700".encode()
        _call("mount", b"none", os.fsencode(folder), b"tmpfs", 0, size)
        try:
            yield
        finally:
            shutil.copytree(folder, beside, dirs_exist_ok=True)
            _call("umount2", os.fsencode(folder), _LET_GO)
            shutil.copytree(beside, folder, dirs_exist_ok=True)


def _own_mounts() -> None:
    """Give this process mounts that no other sees, as a user of its own where it is not root."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", _NEW_MOUNTS)
    else:
        _call("unshare", _NEW_USERS | _NEW_MOUNTS)
        about = {"setgroups": "deny", "uid_map": f"0 {user} 1", "gid_map": f"0 {group} 1"}
        for name, text in about.items():
            Path("/proc/self", name).write_text(text, encoding="ascii")
    _call("mount", b"none", b"/", None, _PRIVATE | _RECURSIVE, None)


def _call(name: str, *arguments: object) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise Unavailable("this system has no mounts of a process's own")
    if function(*arguments) != 0:
        raise Unavailable(f"no mounts of a process's own: {os.strerror(ctypes.get_errno())}")
