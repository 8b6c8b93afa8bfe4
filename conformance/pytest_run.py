"""Running the suite's tests by pytest: what it is called with, and in which environment."""

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from conformance import one_thread
from conformance.collector import Collector
from conformance.leaving import hold_interrupts
from conformance.options import RunOptions, SuiteError
from conformance.records import Case

SUITE = Path(__file__).parent / "suite"
GRACE = 20.0  # seconds a case that ignores its timeout gets before its worker is ended
_WORKER_PLUGINS = ("pytest_timeout", "_hypothesis_pytestplugin", "conformance.plugin")


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


def judge(
    options: RunOptions, testing: Mapping[str, Iterable[str]], workers: int, collector: Collector
) -> None:
    """Judge these clauses (ids to names of tests) in so many worker processes.

    ``collector`` hears what they find; cases that it holds already are passed over. Raises
    `SuiteError` when the suite could not be run, and the interrupt that ended it.
    """
    arguments = [
        *("-p", "xdist"),
        *pytest_arguments(options, testing),
        "--capture=no",  # a library that prints without end would fill disk and memory
        f"--numprocesses={workers}",
        "--dist=worksteal",
        f"--max-worker-restart={sys.maxsize}",  # `collector` ends a run that cannot go on
    ]
    # Its terminal reporter stays (pytest-timeout writes to it), unheard.
    with (
        _told_done(collector.cases) as done,
        own_environment(),
        contextlib.redirect_stdout(io.StringIO()),
        collector.watch(),
    ):
        try:
            status = pytest.main([*arguments, *done], plugins=[collector])
        finally:
            hold_interrupts(False)  # which came while workers were started, and these did not
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
    # Which is the working folder's .hypothesis otherwise.
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(tempfile.gettempdir()) / "hypothesis")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*sys.path, kept.get("PYTHONPATH")]))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
