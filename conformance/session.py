"""One run of the suite: workers that judge, a journal that keeps what they find, a record."""

import contextlib
import io
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__
from conformance.compat import is_installed
from conformance.contract import Clause, load, tested
from conformance.options import DEFAULT_TRAINER, RunOptions
from conformance.plugin import PROPERTY
from conformance.progress import Progress
from conformance.records import Case, Journal, Record, Selection, Verdict, judge, stack

SUITE = Path(__file__).parent / "suite"
MOST_WORKERS = 4
GRACE = 20.0  # seconds a case that ignores its timeout gets before its worker is ended
_WORKER_PLUGINS = ("pytest_timeout", "_hypothesis_pytestplugin", "conformance.plugin")


class HarnessFault(RuntimeError):
    """The suite could not be run at all; the message says what pytest reported."""


def run(options: RunOptions) -> Record:
    """Judge what ``options`` selects; writes ``record.json`` as it goes and returns the record.

    Raises `HarnessFault` when the tests cannot be collected, `KeyboardInterrupt` when interrupted
    (the journal then keeps what was found), `OSError` when the record cannot be written.
    """
    clauses = load().select(options.chapters, options.clauses)
    workers = options.workers or min(os.cpu_count() or 1, MOST_WORKERS)
    header = _header(options)
    prepare_launches(clauses)
    began = time.perf_counter()
    with Progress(stream=sys.stderr) as progress:
        collector = _Collector(Journal(options.report_dir), header, progress, options.timeout)
        if testing := _tested(clauses):
            _pytest(options, testing, workers, collector)
    timing = collector.timing(time.perf_counter() - began, workers)
    results = judge(
        clauses,
        _in_order(collector.cases),
        options.profile,
        floors=options.trainer == DEFAULT_TRAINER,
        reasons=_reasons(clauses, testing),
    )
    record = _finished(header, results, timing)
    collector.journal.close(record)
    return record


def prepare_launches(clauses: Iterable[Clause]) -> None:
    """Have DeepSpeed, where it is installed, compile before anything that needs it is timed."""
    if any(clause.needs == "distributed" for clause in clauses) and is_installed("deepspeed"):
        from conformance.running.launch import zero

        zero.prepare(lambda text: print(text, file=sys.stderr, flush=True))


def _header(options: RunOptions) -> Record:
    return Record(
        suite_version=__version__,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        stack=stack(),
        profile=options.profile,
        seed=options.seed,
        trainer=options.trainer,
        fault=options.fault or "",
        deviations_ignored=options.ignore_deviations,
        strict=options.strict,
        selection=Selection(tuple(options.chapters), tuple(options.clauses)),
    )


def _finished(header: Record, clauses: tuple[Any, ...], timing: dict[str, float]) -> Record:
    return replace(header, clauses=clauses, timing=timing, complete=True)


def _tested(clauses: tuple[Clause, ...]) -> dict[str, tuple[str, ...]]:
    """The selected clauses that have tests, to the tests' names."""
    found = tested(load())
    return {clause.id: tuple(found[clause.id]) for clause in clauses if found.get(clause.id)}


def _reasons(clauses: tuple[Clause, ...], testing: dict[str, tuple[str, ...]]) -> dict[str, str]:
    none = "no scenario of this profile meets its tests"
    reasons = {clause.id: none for clause in clauses if clause.id in testing}
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
        "-q",
        f"--timeout={options.timeout}",
        "--timeout-method=signal",
        f"--hypothesis-seed={options.seed}",
        f"--conformance-profile={options.profile}",
        f"--conformance-trainer={options.trainer}",
        f"--conformance-timeout={options.timeout + GRACE}",
        *(f"--conformance-clause={identifier}" for identifier in testing),
        *([f"--conformance-fault={options.fault}"] if options.fault else ()),
        *(["--conformance-ignore-deviations"] if options.ignore_deviations else ()),
    ]


def _pytest(
    options: RunOptions, testing: dict[str, tuple[str, ...]], workers: int, collector: "_Collector"
) -> None:
    arguments = [
        *("-p", "xdist"),
        *pytest_arguments(options, testing),
        f"--numprocesses={workers}",
        "--dist=worksteal",
        f"--max-worker-restart={10 * workers}",
    ]
    # Its terminal reporter stays (pytest-timeout writes to it), unheard.
    with own_environment(), contextlib.redirect_stdout(io.StringIO()):
        status = pytest.main(arguments, plugins=[collector])
    if status == pytest.ExitCode.INTERRUPTED and not collector.problems:
        raise KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise HarnessFault(collector.problems or f"pytest ended with {status!r}")


@contextlib.contextmanager
def own_environment() -> Iterator[None]:
    """Keep the user's pytest options and plugins out of the suite."""
    kept = dict(os.environ)
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*sys.path, kept.get("PYTHONPATH")]))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


class _Collector:
    """Listens in the controlling process; every case goes to the journal as it comes."""

    def __init__(
        self, journal: Journal, header: Record, progress: Progress, timeout: float
    ) -> None:
        self.journal = journal
        self.progress = progress
        self.timeout = timeout
        self.cases: list[Case] = []
        self.spent: list[dict[str, float]] = []
        self.problems = ""
        self._started: dict[str, float] = {}
        journal.open(header)

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self.progress.total(len(ids))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._started[nodeid] = time.perf_counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY and report.when != "teardown":
                self._add(Case.from_json(value))

    def pytest_handlecrashitem(self, crashitem: str, report: Any, sched: Any) -> None:
        """A worker died in a case: of a crash, or ended because the case ignored its timeout."""
        seconds = time.perf_counter() - self._started.get(crashitem, time.perf_counter())
        late = seconds >= self.timeout
        name = crashitem.rpartition("::")[2].removesuffix("@" + crashitem.rpartition("@")[2])
        message = f"still running after {seconds:.0f} s" if late else "the interpreter died"
        self._add(
            Case(
                id=name,
                clause=_clause_of(crashitem),
                scenario={},
                verdict=Verdict.TIMEOUT if late else Verdict.CRASH,
                seconds=round(seconds, 3),
                message=f"{message} in {name}",
                reproducer=_reproducer(crashitem),
            )
        )

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.problems = f"{report.nodeid} cannot be collected: {report.longreprtext[-800:]}"

    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        spent = getattr(node, "workeroutput", {}).get("conformance")
        if spent:
            self.spent.append(spent)

    def timing(self, wall: float, workers: int) -> dict[str, float]:
        """Where the time went: seconds summed over workers, imports those of the slowest."""
        summed = {
            name: sum(each[name] for each in self.spent)
            for name in ("training", "reference", "trainings")
        }
        imports = [each["imports"] for each in self.spent]
        busy = summed["training"] + summed["reference"] + sum(imports)
        return {
            "wall": round(wall, 2),
            "imports": round(max(imports, default=0.0), 2),
            "training": round(summed["training"], 2),
            "reference": round(summed["reference"], 2),
            "trainings": int(summed["trainings"]),
            "overhead": round(max(0.0, wall * workers - busy), 2),
            "peak_rss_mib": round(sum(each["peak_rss_mib"] for each in self.spent), 1),
            "workers": workers,
        }

    def _add(self, case: Case) -> None:
        self.cases.append(case)
        self.journal.add(case)
        self.progress.case(case)


def _clause_of(nodeid: str) -> str:
    """The clause of the test that a pytest node id names."""
    file, _, name = nodeid.partition("::")
    test = f"{Path(file).name}::{re.split(r'[@[]', name)[0]}"
    return next(clause for clause, names in tested(load()).items() if test in names)


def _reproducer(nodeid: str) -> str:
    file, _, name = nodeid.partition("::")
    return f"pytest --pyargs conformance.suite.{Path(file).stem}::{re.split(r'[@[]', name)[0]}"
