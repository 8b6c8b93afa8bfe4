"""What a run did to trainings on purpose, and what each of it got: added up from the evidence."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import ClauseResult

TRIED = "tried "
"""Begins the name of such evidence; what was tried follows, and after a colon what it got."""


def added_up(clauses: Iterable["ClauseResult"]) -> dict[str, dict[str, int]]:
    """How often each outcome came, by what was tried; both in the order of their names."""
    found: dict[str, Counter[str]] = {}
    for case in (case for clause in clauses for case in clause.cases):
        for what, got, count in _counted(case.evidence):
            found.setdefault(what, Counter())[got] += count
    return {what: dict(sorted(found[what].items())) for what in sorted(found)}


def _counted(evidence: Mapping[str, object]) -> Iterable[tuple[str, str, int]]:
    for name, count in evidence.items():
        what, colon, got = name.removeprefix(TRIED).partition(": ")
        if name.startswith(TRIED) and colon and type(count) is int:
            yield what, got, count
