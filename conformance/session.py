"""One run of the suite: workers that judge, a journal that keeps what they find, a record."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from conformance import __version__, pytest_run
from conformance.collector import Collector
from conformance.compat import is_installed, prepare_quanto
from conformance.contract import Clause, load, tested
from conformance.device import CUDA, lacking
from conformance.options import DEFAULT_TRAINER, RunOptions
from conformance.progress import Progress
from conformance.records import (
    BrokenOff,
    Case,
    Journal,
    Record,
    Selection,
    Stack,
    judge,
    stack,
)
from conformance.resuming import resumed

MOST_WORKERS = 4


def run(options: RunOptions) -> Record:
    """Judge what ``options`` selects; writes ``record.json`` as it goes and returns the record.

    With ``options.resume``, judge what a run that was broken off in the same folder had left.

    Raises `SuiteError` when the tests cannot be collected, `KeyboardInterrupt` when interrupted
    (the journal then keeps what was found), `OSError` when the record cannot be written,
    `UsageError` and `RecordError` when there is no such run to resume.
    """
    clauses = load().select(options.chapters, options.clauses)
    workers = options.workers or min(os.cpu_count() or 1, MOST_WORKERS)
    header, earlier = _begun(options)
    if header.complete:
        return header
    compile_extensions(clauses)
    began = time.perf_counter()
    journal = Journal(options.report_dir)
    journal.open(header, earlier)
    with Progress(stream=sys.stderr) as progress:
        collector = Collector(journal, earlier, progress, options.timeout, options.memory)
        testing = _tested(clauses, options)
        for part, at_once in _parts(testing, workers):
            pytest_run.judge(options, part, at_once, collector)
    timing = collector.timing(time.perf_counter() - began, workers)
    results = judge(
        clauses,
        _in_order(collector.cases),
        options.profile,
        floors=options.trainer == DEFAULT_TRAINER,
        reasons=_reasons(clauses, testing, options),
    )
    record = _finished(header, results, timing)
    collector.journal.close(record)
    return record


def compile_extensions(clauses: Iterable[Clause]) -> None:
    """Have DeepSpeed and optimum.quanto, where they are installed, compile before anything that
    needs them is timed.
    """
    judged = tuple(clauses)
    if any(clause.needs == "distributed" for clause in judged) and is_installed("deepspeed"):
        from conformance.running.launch import zero

        zero.prepare(_say)
    if any(clause.id == "quantized.other-methods" for clause in judged):
        prepare_quanto(_say)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _header(options: RunOptions) -> Record:
    return Record(
        suite_version=__version__,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        stack=_stack(options),
        profile=options.profile,
        seed=options.seed,
        trainer=options.trainer,
        fault=options.fault or "",
        deviations_ignored=options.ignore_deviations,
        strict=options.strict,
        selection=Selection(tuple(options.chapters), tuple(options.clauses)),
    )


def _stack(options: RunOptions) -> Stack:
    """This machine's, with its cards where one is trained on."""
    if options.device != CUDA:
        return stack(options.device)
    from conformance.cards import machine

    return stack(options.device, machine().hardware())


def _begun(options: RunOptions) -> BrokenOff:
    """The run's header and the cases that it has already: none unless it goes on with another."""
    header = _header(options)
    return resumed(header, options.report_dir) if options.resume else BrokenOff(header, ())


def _finished(header: Record, clauses: tuple[Any, ...], timing: dict[str, float]) -> Record:
    return replace(header, clauses=clauses, timing=timing, complete=True)


def _tested(clauses: tuple[Clause, ...], options: RunOptions) -> dict[str, tuple[str, ...]]:
    """The selected clauses that have tests and what these need, to the tests' names."""
    found = tested(load())
    able = [clause for clause in clauses if not lacking(clause, options.device, options.measure)]
    return {clause.id: tuple(found[clause.id]) for clause in able if found.get(clause.id)}


def _parts(
    testing: dict[str, tuple[str, ...]], workers: int
) -> Iterator[tuple[dict[str, tuple[str, ...]], int]]:
    """What is judged by many workers, then what is timed and has the machine to itself."""
    timed = {name: tests for name, tests in testing.items() if name.startswith("throughput.")}
    others = {name: tests for name, tests in testing.items() if name not in timed}
    yield from ((part, at_once) for part, at_once in ((others, workers), (timed, 1)) if part)


def _reasons(
    clauses: tuple[Clause, ...], testing: dict[str, tuple[str, ...]], options: RunOptions
) -> dict[str, str]:
    none = "no scenario of this profile meets its tests"
    reasons = {clause.id: none for clause in clauses if clause.id in testing}
    lacked = {clause.id: lacking(clause, options.device, options.measure) for clause in clauses}
    found = tested(load())
    reasons |= {name: reason for name, reason in lacked.items() if reason and found.get(name)}
    clauses = tuple(clause for clause in clauses if clause.id not in reasons)
    needing = (clause for clause in clauses if clause.needs and clause.id not in testing)
    return reasons | {c.id: f"no test yet, and it needs {c.needs}" for c in needing}


def _in_order(cases: list[Case]) -> list[Case]:
    """Workers finish in any order; records of two runs should not differ by that."""
    return sorted(cases, key=lambda case: (case.clause, case.id))
