"""A folder that may not be written to from a step on, for root as for anybody."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from conformance.compat import Unavailable

_VERSION = 0x20080522  # of the kernel's interface to capabilities of 64 bits
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2  # what lets root pass over the permissions of files
_HEEDING = ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


class _Locks(TrainerCallback):  # type: ignore[misc]
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            Path(args.output_dir).chmod(0o500)


@contextlib.contextmanager
def locked_from(step: int, folder: Path) -> Iterator[TrainerCallback]:
    """A callback after whose ``step`` nothing can be made in ``folder``, until the end.

    Root gives up for so long what lets it pass over permissions. Raises `Unavailable` where it
    cannot, as on other systems than Linux.
    """
    before = folder.stat().st_mode
    with _heeding_permissions():
        try:
            yield _Locks(step)
        finally:
            folder.chmod(before)


@contextlib.contextmanager
def _heeding_permissions() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    header, sets = _Header(_VERSION, 0), (_Sets * 2)()
    _call("capget", header, sets)
    had = sets[0].effective
    sets[0].effective = had & _HEEDING
    _call("capset", header, sets)
    try:
        yield
    finally:
        sets[0].effective = had
        _call("capset", header, sets)


def _call(name: str, header: _Header, sets: Any) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise Unavailable("root passes over permissions, and cannot give that up here")
    if function(ctypes.byref(header), sets) != 0:
        raise Unavailable(f"root passes over permissions: {os.strerror(ctypes.get_errno())}")
