"""A process that imports and collects everything once, then forks a child for each fault.

``python -m conformance.controls.warm JSON`` is told the clauses to collect; it reads one `Job` a
line from its standard input and writes one `Answer` a line to its standard output. The child
plants the fault, judges, sends its cases and ends: no patch outlives it.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import pytest

from conformance.contract import load, tested
from conformance.faults import faults
from conformance.options import RunOptions
from conformance.plugin import PROPERTY, clause_of, scenario_of
from conformance.pytest_run import own_environment, pytest_arguments
from conformance.records import Case

from .forking import Send, Sent, forked
from .job import Answer, Ending, Job
from .sampling import Place, common, looking, sample

_RED_ALREADY = "red already"
CASE_TIMEOUT = 60.0  # seconds for one case; a training of the suite takes a fraction of one


class Judging:
    """The pytest plugin: instead of running what was collected, it answers jobs."""

    def __init__(self, jobs: Iterable[Job], answer: Callable[[Answer], None]) -> None:
        self.jobs = jobs
        self.answer = answer
        self._hear: Callable[[Case], None] = lambda _: None
        self._thorough = True
        self._red: set[str] = set()
        self._met: set[str] = set()
        self._looking: dict[pytest.Item, Place] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork for each job; told to end, tidy up and do so: pytest would write at length why."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            return self._answer_all(session)
        except SystemExit:
            os._exit(1)

    def _answer_all(self, session: pytest.Session) -> bool:
        self._looking = looking(session.items)
        self._met = set(common(self._looking))
        self.answer(Answer(message="ready"))
        for job in self.jobs:
            judge = partial(self._judge, session, job)
            self.answer(answered(forked(judge, job.limit)))
        return True

    def _judge(self, session: pytest.Session, job: Job, send: Send) -> None:
        """In the child: plant, judge the job's own clauses, then samples of the others."""
        from conformance.running.launch import server_process

        _cache_templates()
        server_process.fork_ahead()
        self._thorough = not job.fault
        if job.fault:
            session.config.option.conformance_fault = job.fault
            faults()[job.fault].plant()
        own = [item for item in session.items if clause_of(item) in job.clauses]
        self._hear = lambda case: send({"case": case.to_json()})
        if job.others_alone:
            self._met |= {_scenario(item) for item in own}
        else:
            _run(own)
        send({"judged": True})
        self._hear = lambda case: send({"other": _verdict_alone(case)})
        if job.matrix:
            _run(sample(self._looking, self._met, job.clauses))

    # ---- hooks called in the child -----------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A clause that a fault has turned red already needs no further case."""
        if clause_of(item) in self._red:
            pytest.skip(_RED_ALREADY)
        self._met.add(_scenario(item))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of each case."""
        properties: list[tuple[str, Any]] = report.user_properties
        for name, value in properties:
            if name == PROPERTY and report.when != "teardown":
                self._heard(Case.from_json(value))

    def _heard(self, case: Case) -> None:
        if case.clause in self._red:
            return
        self._hear(case)
        if case.verdict.broken and not self._thorough:
            self._red.add(case.clause)


def _run(items: Sequence[pytest.Item]) -> None:
    """Run these; what the session keeps, trainings above all, outlives them."""
    for number, item in enumerate(items):
        following = items[number + 1] if number + 1 < len(items) else item.session
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        gc.freeze()  # every training collects; what is dead by now goes with the process


def _scenario(item: pytest.Item) -> str:
    scenario = scenario_of(item)
    return "" if scenario is None else scenario.id


def answered(sent: Sent) -> Answer:
    """What a child sent, as an answer: what went wrong after its own clauses only cuts the rest."""
    whole = any("judged" in line for line in sent.lines)
    return Answer(
        cases=tuple(Case.from_json(line["case"]) for line in sent.lines if "case" in line),
        others=tuple(Case.from_json(line["other"]) for line in sent.lines if "other" in line),
        ending=Ending.DONE if whole else sent.ending,
        message="" if whole else sent.message,
        cut=sent.message if whole else "",
        seconds=sent.seconds,
    )


def _verdict_alone(case: Case) -> dict[str, Any]:
    return {**case.to_json(), "message": "", "reproducer": "", "evidence": {}}


def _cache_templates() -> None:
    """Compile the model card's template once: every checkpoint writes one, and compiling it takes
    a fifth of a training. jinja2 is not judged.
    """
    import jinja2

    jinja2.Environment.compile = cache(jinja2.Environment.compile)  # type: ignore[assignment]


def main(text: str) -> int:
    """Collect what the JSON says, then answer jobs until there are no more."""
    clauses = json.loads(text)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever pytest and the libraries print is for the last words

        def answer(given: Answer) -> None:
            answers.write(json.dumps(given.to_json()) + "\n")
            answers.flush()

        options = RunOptions(profile="faults", timeout=CASE_TIMEOUT)
        testing = {name: tested(load())[name] for name in clauses}
        jobs = (Job.from_json(json.loads(line)) for line in sys.stdin)
        faults()
        with own_environment():
            arguments = ["-s", *pytest_arguments(options, testing)]
            status = pytest.main(arguments, plugins=[Judging(jobs, answer)])
        return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
