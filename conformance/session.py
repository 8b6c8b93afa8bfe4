"""One run of the suite: workers that judge, a journal that keeps what they find, a record."""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__, one_thread
from conformance.collector import Collector
from conformance.compat import is_installed, prepare_quanto
from conformance.contract import Clause, load, tested
from conformance.device import CUDA, lacking
from conformance.options import DEFAULT_TRAINER, RunOptions, SuiteError, UsageError
from conformance.progress import Progress
from conformance.records import (
    BrokenOff,
    Case,
    Journal,
    Record,
    Selection,
    Stack,
    judge,
    left_in,
    stack,
)

SUITE = Path(__file__).parent / "suite"
MOST_WORKERS = 4
GRACE = 20.0  # seconds a case that ignores its timeout gets before its worker is ended
_SAME = (  # what a run that is resumed must have in common with the one that was broken off
    *("suite_version", "stack", "profile", "selection", "seed", "trainer", "fault"),
    *("strict", "deviations_ignored"),
)
_WORKER_PLUGINS = ("pytest_timeout", "_hypothesis_pytestplugin", "conformance.plugin")


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
    prepare_launches(clauses)
    began = time.perf_counter()
    journal = Journal(options.report_dir)
    journal.open(header, earlier)
    with Progress(stream=sys.stderr) as progress:
        collector = Collector(journal, earlier, progress, options.timeout, options.memory)
        testing = _tested(clauses, options)
        for part, at_once in _parts(testing, workers):
            _pytest(options, part, at_once, collector)
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


def prepare_launches(clauses: Iterable[Clause]) -> None:
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
    """The run's header and the cases it has already; its whole record where all are judged.

    Raises `UsageError` when the run to resume is another than the one asked for.
    """
    header, folder = _header(options), options.report_dir
    if not options.resume:
        return BrokenOff(header, ())
    before, cases = left_in(folder)
    for name in _SAME:
        old, new = getattr(before, name), getattr(header, name)
        if old != new:
            raise UsageError(
                f"the run in {folder} cannot be resumed: its {name.replace('_', ' ')} "
                f"{_differing(old, new)}"
            )
    when = (*before.resumed, header.started)
    if before.complete:
        return BrokenOff(before, cases)
    return BrokenOff(replace(header, started=before.started, resumed=when), cases)


def _differing(old: Any, new: Any) -> str:
    """In which way two values of a header differ, in few words."""
    if not isinstance(old, Stack):
        return f"was {_told(old)}, this one's is {_told(new)}"
    one, two = old.to_json(), new.to_json()
    parts = ("packages", "others", "hardware")
    flat = [
        {**{n: v for part in parts for n, v in each.pop(part, {}).items()}, **each}
        for each in (one, two)
    ]
    names = [
        name for name in sorted({*flat[0], *flat[1]}) if flat[0].get(name) != flat[1].get(name)
    ]
    pairs = (f"{name} {flat[0].get(name, 'none')} → {flat[1].get(name, 'none')}" for name in names)
    return f"has changed since: {', '.join(pairs)}"[:300]


def _told(value: Any) -> str:
    if isinstance(value, Selection):
        return " ".join((*value.chapters, *value.clauses)) or "everything"
    return str(value) or "none"


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


# ---- pytest ---------------------------------------------------------------------------------


def pytest_arguments(options: RunOptions, testing: Mapping[str, Iterable[str]]) -> list[str]:
    """What pytest is called with to judge these clauses (ids to names of tests) in one process."""
    files = sorted({name.partition("::")[0] for names in testing.values() for name in names})
    return [
        *(str(SUITE / name) for name in files),
        *("-c", str(SUITE / "pytest.ini")),
        f"--rootdir={SUITE}",
        *(argument for name in _WORKER_PLUGINS for argument in ("-p", name)),
        *("-p", "no:logging"),  # which takes a twentieth of a run, for what nobody reads
        "--tb=native",  # nobody reads it, and pytest's own takes longest to write
        "-q",
        f"--timeout={options.timeout}",
        "--timeout-method=signal",
        f"--hypothesis-seed={options.seed}",
        f"--conformance-profile={options.profile}",
        f"--conformance-trainer={options.trainer}",
        f"--conformance-device={options.device}",
        f"--conformance-measure={options.measure}",
        f"--conformance-timeout={options.timeout + GRACE}",
        *(f"--conformance-clause={identifier}" for identifier in testing),
        *([f"--conformance-fault={options.fault}"] if options.fault else ()),
        *(["--conformance-ignore-deviations"] if options.ignore_deviations else ()),
    ]


def _pytest(
    options: RunOptions, testing: dict[str, tuple[str, ...]], workers: int, collector: Collector
) -> None:
    arguments = [
        *("-p", "xdist"),
        *pytest_arguments(options, testing),
        "--capture=no",  # a library that prints without end would fill disk and memory
        f"--numprocesses={workers}",
        "--dist=worksteal",
        f"--max-worker-restart={10 * workers}",
    ]
    # Its terminal reporter stays (pytest-timeout writes to it), unheard.
    with (
        _told_done(collector.cases) as done,
        own_environment(),
        contextlib.redirect_stdout(io.StringIO()),
        collector.watch(),
    ):
        status = pytest.main([*arguments, *done], plugins=[collector])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED and collector.cases:
        return  # all had been judged before
    if status == pytest.ExitCode.INTERRUPTED and not collector.problems:
        raise collector.interrupt or KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SuiteError(collector.problems or f"pytest ended with {status!r}")


@contextlib.contextmanager
def _told_done(cases: Sequence[Case]) -> Iterator[list[str]]:
    """The argument by which pytest passes over cases that are judged already."""
    if not cases:
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "done.json"
        path.write_text(json.dumps([[case.clause, case.id] for case in cases]), encoding="utf-8")
        yield [f"--conformance-done={path}"]


@contextlib.contextmanager
def own_environment() -> Iterator[None]:
    """Keep the user's pytest options and plugins out, and libraries' threads out of forks."""
    kept = dict(os.environ)
    for name, value in one_thread.ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*sys.path, kept.get("PYTHONPATH")]))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
