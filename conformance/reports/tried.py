"""What a run did to trainings on purpose, in a sentence."""

from collections import Counter
from collections.abc import Mapping

from conformance.records import Record

from .groups import clean
from .summary import counted


def tried(record: Record) -> str:
    """What was done to trainings on purpose, and how often each of it got what."""
    told = (f"{what} {sum(got.values())} ({_told(got)})" for what, got in record.tried.items())
    return clean("; ".join(told))


def tried_in_all(record: Record) -> str:
    """How often something was, and what came of it, whatever it was."""
    found: Counter[str] = Counter()
    for got in record.tried.values():
        found.update(got)
    return clean(f"{counted(found.total(), 'time')}: {_told(found)}")


def _told(got: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {got[name]}" for name in sorted(got))
