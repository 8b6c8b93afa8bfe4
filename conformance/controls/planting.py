"""Planting faults one at a time, each in a process that judges nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby

from conformance import one_thread
from conformance.compat import is_installed
from conformance.contract import load, tested
from conformance.device import CUDA
from conformance.faults import Fault

from . import cold, pool
from .fingerprint import UNKNOWN, fingerprint
from .job import NOT_PLANTED, Answer, Job
from .outcome import Kind, Outcome, control, outcome
from .store import Entry, Memory

CONTROL_LIMIT = 1200.0  # seconds for all cases of a chapter; a fault's end with the first red one


@dataclass(frozen=True, slots=True)
class Way:
    """How faults are planted.

    ``matrix`` also judges the other clauses; ``again`` plants what is known to be caught too;
    ``warm`` forks children of processes that have imported everything, which needs a platform
    where that is safe; ``at_once`` processes work beside each other.
    """

    matrix: bool = False
    again: bool = False
    warm: bool = one_thread.AVAILABLE
    at_once: int = 2


def plant(faults: Sequence[Fault], way: Way, memory: Memory) -> Iterator[tuple[Outcome, bool]]:
    """What becomes of each fault, as it comes, and whether ``memory`` knew; adds it to ``memory``.

    Before faults, their clauses are judged with nothing planted: see `outcome`. Raises
    `pool.WorkerLost` when nothing can be judged at all.
    """
    marks = {each.name: _marks(each, way.matrix) for each in faults}
    known = {} if way.again else {e.name: memory.recall(e.name, *marks[e.name]) for e in faults}
    for found in known.values():
        if found is not None:
            yield found, True
    new = [each for each in faults if known.get(each.name) is None]
    for found in _planted(new, way):
        memory.add(Entry(found, *marks[found.fault]))
        yield found, False


def _marks(fault: Fault, matrix: bool) -> tuple[str, str]:
    """The fingerprints of a fault alone and, if it is asked for, of its matrix."""
    whole = fingerprint(fault, matrix=True) if matrix else UNKNOWN
    return fingerprint(fault, matrix=False), whole


def _lacked(fault: Fault) -> str:
    """Why a fault cannot be planted here; empty where it can be."""
    if fault.needs == CUDA:
        return "it needs a CUDA device: run --device cuda --fault plants it"
    return (
        f"{fault.needs} is not installed" if fault.needs and not is_installed(fault.needs) else ""
    )


def _planted(chosen: Sequence[Fault], way: Way) -> Iterator[Outcome]:
    faults = [each for each in chosen if not _lacked(each)]
    for each in chosen:
        if reason := _lacked(each):
            yield Outcome(each.name, each.clause, Kind.NOT_RUN, reason)
    tests = tested(load())
    clauses = tuple(dict.fromkeys(each.clause for each in faults if each.clause in tests))
    if not clauses:
        yield from (outcome(each.name, each.clause, Answer(), {}, way.matrix) for each in faults)
        return
    with _asking(tuple(tests) if way.matrix else clauses, way) as ask:
        checks = [*_controls(clauses), *(_matrix_control(clauses) if way.matrix else ())]
        unplanted = control(zip(checks, pool.answers(checks, ask, way.at_once), strict=True))
        jobs = [Job(each.name, (each.clause,), way.matrix) for each in faults]
        for each, found in zip(faults, pool.answers(jobs, ask, way.at_once), strict=True):
            yield outcome(each.name, each.clause, found, unplanted, way.matrix)


def _asking(clauses: Sequence[str], way: Way) -> "AbstractContextManager[pool.Ask]":
    return pool.warm(clauses, way.at_once) if way.warm else nullcontext(cold.ask)


def _matrix_control(clauses: Sequence[str]) -> list[Job]:
    """The other clauses, on what any of these meets."""
    return [Job(NOT_PLANTED, tuple(clauses), matrix=True, limit=CONTROL_LIMIT)]


def _controls(clauses: Iterable[str]) -> list[Job]:
    """One job a chapter, whose clauses share trainings."""
    grouped = groupby(clauses, lambda name: load().clause(name).chapter)
    return [Job(NOT_PLANTED, tuple(names), limit=CONTROL_LIMIT) for _, names in grouped]
