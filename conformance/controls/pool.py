"""Handing jobs to processes that judge them, several beside each other."""

import json
import os
import queue
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from conformance import one_thread
from conformance.leaving import end_together
from conformance.options import SuiteError
from conformance.redacting import redacted

from .job import Answer, Job

WARM = (sys.executable, "-m", "conformance.controls.warm")
_ENDING = 2.0  # seconds the workers get to end by themselves
_LAST_WORDS = 10.0  # seconds one that says nothing more gets to be gone

Ask = Callable[[Job], Answer]


class WorkerLost(SuiteError):
    """A process that judges ended by itself; the message holds the end of what it said."""


@contextmanager
def warm(clauses: Sequence[str], at_once: int, command: Sequence[str] = WARM) -> Iterator[Ask]:
    """What answers jobs on these clauses, from up to ``at_once`` threads at a time.

    Each of ``at_once`` processes, started by ``command``, imports and collects once (see
    `conformance.controls.warm`) and is ended on leaving. Raises `WorkerLost` when one cannot judge
    at all.
    """
    workers = [_Worker((*command, json.dumps(list(clauses)))) for _ in range(at_once)]
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    try:
        for worker in workers:
            worker.hear()
            idle.put(worker)

        def ask(job: Job) -> Answer:
            worker = idle.get()
            try:
                return worker.ask(job)
            finally:
                idle.put(worker)

        yield ask
    finally:
        end_together([worker.process for worker in workers], _ENDING)
        for worker in workers:
            worker.close()


def answers(jobs: Iterable[Job], ask: Ask, at_once: int) -> Iterator[Answer]:
    """The answer to each job, in order, as it comes; ``at_once`` of them are worked on together."""
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(ask, jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """One warm process; it is ready when its first answer has come."""

    def __init__(self, command: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, **one_thread.ENVIRONMENT},
            start_new_session=True,  # it hears of an interrupt from here alone
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._jobs, self._answers = self.process.stdin, self.process.stdout

    def ask(self, job: Job) -> Answer:
        """Send a job and wait for its answer."""
        try:
            self._jobs.write(json.dumps(job.to_json()) + "\n")
            self._jobs.flush()
        except BrokenPipeError:
            raise WorkerLost(self._last_words()) from None
        return self.hear()

    def hear(self) -> Answer:
        """Wait for the next answer."""
        line = self._answers.readline()
        if not line:
            raise WorkerLost(self._last_words())
        return Answer.from_json(json.loads(line))

    def close(self) -> None:
        """Close what leads to the process, which has ended, and with it what it has forked."""
        for stream in (self._jobs, self._answers, self._said):
            stream.close()

    def _last_words(self) -> str:
        self.process.wait(_LAST_WORDS)
        self._said.seek(0)
        said = redacted(self._said.read()).strip()[-800:]
        return f"a process that judges faults ended with {self.process.returncode}: {said}"
