"""Planting faults, showing and keeping what becomes of them, and saying whether all is proven."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from conformance import one_thread
from conformance.baselines import against
from conformance.contract import load
from conformance.controls import store
from conformance.controls.fingerprint import fingerprint
from conformance.controls.matrix import matrix, unproven
from conformance.controls.outcome import Outcome
from conformance.controls.planting import Way, plant
from conformance.controls.store import Memory
from conformance.faults import Fault, faults
from conformance.options import UsageError
from conformance.records import RECORD, RecordError, check_supported
from conformance.records import read as read_record
from conformance.reports import write_all
from conformance.reports.faults import show_matrix, show_outcomes, show_unproven
from conformance.session import compile_extensions

from .interrupted import kept_in


def way(*, matrix: bool, again: bool, cold: bool, at_once: int) -> Way:
    """How to plant; raises `UsageError` for what cannot be done."""
    warm = one_thread.AVAILABLE and not cold
    if at_once < 1:
        raise UsageError(f"{at_once} at once cannot plant anything, at least 1 is needed")
    if matrix and not warm:
        raise UsageError("the matrix needs forked processes, which are safe on Linux alone")
    return Way(matrix=matrix, again=again, warm=warm, at_once=at_once)


def prove(
    chosen: Sequence[Fault],
    scope: Sequence[str] | None,
    how: Way,
    folder: Path,
    console: Console,
    *,
    found: list[tuple[Outcome, bool]],
) -> bool:
    """Plant ``chosen``, show and keep what becomes of them; whether nothing is wrong.

    ``scope`` names the chapters whose MUST clauses all have to be proven, empty for all of them;
    `None` asks for no such thing. Writes ``faults.json`` into ``folder``, also where it is broken
    off, and the reports of the record that lies there. ``found`` gets each outcome as it comes, and
    whether it was known.
    """
    check_supported()
    memory = _remembered(folder)
    contract = load()
    compile_extensions([contract.clause(fault.clause) for fault in chosen])
    try:
        wrong = show_outcomes(kept_in(found, plant(chosen, how, memory)), console)
    finally:
        store.write(memory, folder)
    _renew_reports(folder)
    mine = [each for each in memory.outcomes() if each.fault in {fault.name for fault in chosen}]
    gaps = () if scope is None else unproven(mine, scope)
    show_unproven(gaps, console)
    if how.matrix:
        show_matrix(matrix(mine), console)
    return not wrong and not gaps


def _remembered(folder: Path) -> Memory:
    """What was kept of faults, as far as nothing that decides their outcomes has changed."""
    try:
        memory = store.read(folder, faults())
    except RecordError as error:
        print(f"{error}; it is not used", file=sys.stderr)
        return Memory()
    for name, fault in faults().items():
        if name in memory.entries:
            marks = (fingerprint(fault, matrix=matrix) for matrix in (False, True))
            memory.forget(name, *marks)
    return memory


def _renew_reports(folder: Path) -> None:
    """Reports of a run show what is known of faults: write those again that lie here."""
    if not (folder / RECORD).exists():
        return
    try:
        record = read_record(folder)
        write_all(record, folder, against(record))
    except RecordError:
        return  # of a run that was broken off, which has no reports
