"""Counting what is done to trainings on purpose, and what each of it gets."""

import contextlib
from collections.abc import Callable, Iterator

from conformance.compat import Unavailable
from conformance.judging import note_count
from conformance.records.tried import TRIED

ERROR = "an error"
UNHURT = "as unhurt"
NEITHER = "neither"


@contextlib.contextmanager
def tried(what: str) -> Iterator[Callable[[str], None]]:
    """Count one that is tried inside; it got what the function handed out is told, `UNHURT` unless
    that is called, and `NEITHER` where something is raised.
    """
    got = [UNHURT]
    try:
        yield got.append
    except Unavailable:
        raise
    except Exception:
        note_count(f"{TRIED}{what}: {NEITHER}")
        raise
    note_count(f"{TRIED}{what}: {got[-1]}")
