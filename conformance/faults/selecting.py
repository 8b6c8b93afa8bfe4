"""Choosing faults by name and chapter."""

from collections.abc import Collection

from conformance.contract import load
from conformance.options import UsageError

from .registry import Fault, faults


def select(names: Collection[str], chapters: Collection[str]) -> tuple[Fault, ...]:
    """The named faults and those of the chapters' clauses; all of them when nothing is given.

    Raises `UsageError` for a fault that there is not, `UnknownChapter` for a chapter.
    """
    known = faults()
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(f"unknown fault {unknown[0]!r}; `faults --list` names them")
    wanted = {load().chapter(chapter).name for chapter in chapters}
    everything = not names and not chapters
    return tuple(
        each
        for each in known.values()
        if everything or each.name in names or load().clause(each.clause).chapter in wanted
    )
