"""Real forks with faults of every kind, in one process that imported the libraries once."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import one_thread
from conformance.controls import cold, forking, pool
from conformance.controls.job import NOT_PLANTED, Answer, Ending, Job
from conformance.controls.outcome import Kind, Outcome, control, outcome
from conformance.records import Verdict

pytestmark = pytest.mark.skipif(not one_thread.AVAILABLE, reason="forking is not safe here")
PARAMETERS, IMPORTS = "signature.train-parameters", "signature.import-path"
SLEEPER = "FAKE_SLEEPER"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pool.Ask]:
    os.environ[SLEEPER] = str(tmp_path_factory.mktemp("fakes") / "pid")
    command = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
    with pool.warm((PARAMETERS, IMPORTS), 1, command) as asking:
        yield asking
    del os.environ[SLEEPER]


def became(ask: pool.Ask, name: str, *, matrix: bool = False, limit: float = 120.0) -> Outcome:
    checks = [Job(NOT_PLANTED, (PARAMETERS,)), Job(NOT_PLANTED, (PARAMETERS,), matrix=True)]
    unplanted = control((check, ask(check)) for check in checks[: 1 + matrix])
    answer = ask(Job(name, (PARAMETERS,), matrix, limit))
    return outcome(name, PARAMETERS, answer, unplanted, matrix)


def test_a_fault_that_its_clause_sees_is_caught(ask: pool.Ask) -> None:
    found = became(ask, "fake-kill")
    assert (found.kind, found.judged, found.case) == (Kind.CAUGHT, 1, "test_train_parameters")
    assert found.message == "the parameters of train()"


def test_no_patch_outlives_its_child(ask: pool.Ask) -> None:
    assert became(ask, "fake-kill").kind is Kind.CAUGHT
    survived = became(ask, "fake-equivalent")
    assert (survived.kind, survived.message) == (Kind.SURVIVED, "no case failed: 1 pass")


def test_the_matrix_judges_the_other_clauses(ask: pool.Ask) -> None:
    found = became(ask, "fake-kill", matrix=True)
    assert (found.seen, found.red, found.cut) == ((IMPORTS,), (), "")


def test_a_fault_that_hangs_gets_no_verdict_and_leaves_nothing(ask: pool.Ask) -> None:
    found = became(ask, "fake-hang", limit=1.5)
    assert (found.kind, found.message) == (Kind.NO_VERDICT, "no verdict within 2 s")
    assert gone(int(Path(os.environ[SLEEPER]).read_text()))


def gone(process: int) -> bool:
    """Whether a process has ended; one that nobody reaps (a zombie) has."""
    status = Path(f"/proc/{process}/stat")
    for _ in range(200):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fake-segfault", "the process died: SIGSEGV"),
        ("fake-unplantable", "AttributeError: '_LazyModule' object has no"),
        ("fake-harness-error", "error: Traceback"),
    ],
)
def test_what_breaks_the_process_catches_nothing(ask: pool.Ask, name: str, says: str) -> None:
    found = became(ask, name)
    assert found.kind is Kind.NO_VERDICT
    assert found.message.startswith(says)
    assert became(ask, "fake-kill").kind is Kind.CAUGHT


def test_a_worker_that_cannot_judge_says_why() -> None:
    failing = (sys.executable, "-c", "raise SystemExit('nothing to import')")
    with (
        pytest.raises(pool.WorkerLost, match="ended with 1: nothing to import"),
        pool.warm((PARAMETERS,), 1, failing),
    ):
        pass


def test_answers_keep_the_order_of_their_jobs() -> None:
    waits = {"slow": 0.2, "quick": 0.0, "last": 0.1}

    def ask(job: Job) -> Answer:
        time.sleep(waits[job.fault])
        return Answer(message=job.fault)

    jobs = [Job(name, ()) for name in waits]
    assert [answer.message for answer in pool.answers(jobs, ask, 2)] == list(waits)


def test_a_process_with_threads_does_not_fork() -> None:
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait, name="watcher")
    thread.start()
    try:
        with pytest.raises(one_thread.SeveralThreads, match="watcher"):
            forking.forked(lambda send: None, 1.0)
    finally:
        leave.set()
        thread.join()


def test_a_cold_process_catches_too() -> None:
    name = "config-becomes-a-function"
    unplanted = {(IMPORTS, "test_import_path"): Verdict.PASS}
    found = outcome(name, IMPORTS, cold.ask(Job(name, (IMPORTS,))), unplanted, False)
    assert (found.kind, found.message) == (Kind.CAUGHT, "LoraConfig as imported")


def test_a_cold_process_that_is_late_gets_no_verdict() -> None:
    answer = cold.ask(Job(NOT_PLANTED, (IMPORTS,), limit=0.2))
    assert (answer.ending, answer.message) == (Ending.LATE, "no verdict within 0 s")
