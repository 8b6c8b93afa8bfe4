"""What every conformance test gets: the trainings, a profile, and a process without network."""

import gc
import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance import device, launchers, subjects
from conformance.leaving import be_deaf_to_interrupts, end_with_the_parent
from conformance.plugin import clause_of, subject_of, test_name
from conformance.scenarios import PROFILES, Profile, Scenario
from conformance.undoing import undone

if TYPE_CHECKING:
    from conformance.benchmarks.bench import Bench
    from conformance.running.observation import Observation
    from conformance.running.runs import Runs
    from conformance.running.searching import Studio
    from conformance.verdicts import Tolerance

GROWN = 10_000  # objects that a full collection may look at; every training collects several times
LOOK = 16  # cases between two counts of them, which take 3 ms each
_IMPORTS = pytest.StashKey[float]()
_JUDGED = pytest.StashKey[int]()
_RUNS = pytest.StashKey[Any]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import the libraries once, where tests run."""
    config = session.config
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return  # the controller runs no test
    if hasattr(config, "workerinput"):
        _serve()
    began = time.perf_counter()
    launchers.forget()
    _offline()
    device.choose(config.getoption("--conformance-device"))
    device.take_one_card()
    subjects.prepare()
    importlib.import_module("conformance.running.placing").settle()
    config.stash[_IMPORTS] = time.perf_counter() - began


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have DeepSpeed and optimum.quanto compile before any case is timed, if one needs them.

    Keep the garbage collector off modules and tests: every training collects in full, which
    over all of them would cost more than the training. What launches is forked before anything
    trains. A fault is planted now that all is imported, as in a warm process
    (`conformance.controls`).
    """
    if any("launch=zero" in item.name for item in session.items):
        from conformance.running.launch import zero

        zero.prepare(_say)
    if any("quantization=quanto-int4" in item.name for item in session.items):
        importlib.import_module("conformance.compat").prepare_quanto(_say)
    _freeze()
    if hasattr(session.config, "workerinput"):
        importlib.import_module("conformance.running.launch.server_process").fork_ahead()
    if name := session.config.getoption("--conformance-fault"):
        from conformance.faults import faults

        faults()[name].plant()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep it off what has come since, too: libraries that are imported late, trainings kept."""
    judged = item.config.stash[_JUDGED] = item.config.stash.get(_JUDGED, 0) + 1
    if judged % LOOK == 0 and len(gc.get_objects()) > GROWN:
        _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()


def _serve() -> None:
    """What a worker is: it ends with its controller alone, and nobody reads what it prints."""
    be_deaf_to_interrupts()
    end_with_the_parent()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for printed in (1, 2):
        os.dup2(nowhere, printed)
    os.close(nowhere)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[Any]:
    """What one case changes of its process, the next does not see."""
    with undone():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Iterator[Any]:
    """A process that a case forked, and that came back from it, judges and reports nothing."""
    judging = os.getpid()
    try:
        return (yield)
    finally:
        if os.getpid() != judging:
            os._exit(1)


def _offline() -> None:
    """No hub, no progress bars, no sockets but local ones (data loader workers need those)."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
    import pytest_socket

    pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the controller what this worker's time went into."""
    output = getattr(session.config, "workeroutput", None)
    if output is None:
        return
    runs = session.config.stash.get(_RUNS, None)
    output["conformance"] = {
        "imports": session.config.stash.get(_IMPORTS, 0.0),
        "training": runs.seconds if runs else 0.0,
        "reference": runs.reference_seconds if runs else 0.0,
        "trainings": runs.count if runs else 0,
        "launches": runs.launches if runs else 0,
        "peak_rss_mib": _peak_mib(),
    }


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@pytest.fixture(scope="session")
def trainer_class(pytestconfig: pytest.Config) -> type:
    """The Trainer class under judgement."""
    return subjects.trainer_class(pytestconfig.getoption("--conformance-trainer"))


@pytest.fixture(scope="session")
def runs(
    pytestconfig: pytest.Config, trainer_class: type, tmp_path_factory: pytest.TempPathFactory
) -> "Runs":
    """Trainings by scenario, each done once."""
    from conformance.running.runs import Runs

    fault = pytestconfig.getoption("--conformance-fault") or ""
    made = Runs(trainer_class, tmp_path_factory.mktemp("runs"), fault)
    pytestconfig.stash[_RUNS] = made
    return made


@pytest.fixture(scope="session")
def profile(pytestconfig: pytest.Config) -> Profile:
    """How broad this run is."""
    return PROFILES[pytestconfig.getoption("--conformance-profile")]


@pytest.fixture
def observation(runs: "Runs", scenario: Scenario) -> "Observation":
    """The scenario's training; the test fails when it could not be had."""
    return runs.train(scenario)


@pytest.fixture
def tolerating(request: pytest.FixtureRequest) -> "Tolerance":
    """For generated scenarios: known deviations are counted and passed over, nothing else is."""
    from conformance.verdicts import Tolerance

    subject = subject_of(request.config)
    return Tolerance(clause_of(request.node) or "", test_name(request.node), subject)


@pytest.fixture(scope="session")
def bench(pytestconfig: pytest.Config) -> "Bench":
    """Measurements of throughput, each made once, in processes of their own."""
    from conformance.benchmarks.bench import Bench

    return Bench(pytestconfig.getoption("--conformance-device"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder of this test's own."""
    yield tmp_path


@pytest.fixture
def studio(trainer_class: type, folder: Path) -> "Callable[..., Studio]":
    """Makes Trainers that search, of a scenario and arguments; not run where optuna is missing."""
    from conformance import compat
    from conformance.running.searching import Studio

    compat.optuna()
    return lambda scenario, **arguments: Studio(scenario, trainer_class, folder, **arguments)
