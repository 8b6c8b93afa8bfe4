"""What a run hears from its workers: cases, crashes, and what their time went into."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conformance.contract import load, tested
from conformance.leaving import be_deaf_to_interrupts, end_descendants, hold_interrupts
from conformance.memory import Watch
from conformance.plugin import PROPERTY
from conformance.progress import Progress
from conformance.records import Case, Journal, Verdict
from conformance.records.raised import in_a_line_with_cause
from conformance.redacting import redacted, redacted_in

_FRUITLESS = 4  # workers besides those at once that may end in a row without a case


class Collector:
    """Listens in the controlling process; every case goes to the journal as it comes.

    ``journal`` is open and holds the ``earlier`` cases; ``timeout`` of a case is in seconds,
    ``memory`` is the limit of a worker in MiB, 0 for none.
    """

    def __init__(
        self,
        journal: Journal,
        earlier: Sequence[Case],
        progress: Progress,
        timeout: float,
        memory: int,
    ) -> None:
        self.journal = journal
        self.progress = progress
        self.timeout = timeout
        self.cases = list(earlier)
        self.spent: list[dict[str, float]] = []
        self.problems = ""
        self.interrupt: BaseException | None = None
        self.watch = Watch(memory, lambda: list(self._workers.values()))
        self._started: dict[str, float] = {}
        self._workers: dict[str, int] = {}
        self._fruitless = 0
        self._patience = _FRUITLESS

    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """The workers are about to be started."""
        self._patience = len(specs) + _FRUITLESS
        hold_interrupts(True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """They are."""
        hold_interrupts(False)

    def pytest_testnodeready(self, node: Any) -> None:
        """A worker runs: its process is watched from now on."""
        self._workers[node.gateway.id] = _pid(node)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Before pytest gives the workers ten seconds to end, and before it writes, for more than a
        second and for nobody, where the interrupt came; its own way takes longest, see ``--tb``.
        """
        self.interrupt = excinfo.value
        excinfo.getrepr = partial(excinfo.getrepr, style="native")
        be_deaf_to_interrupts()
        end_descendants()

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """A worker knows how many cases there are."""
        self.progress.total(len(ids))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A case begins."""
        self._started[nodeid] = time.perf_counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A case has its verdict."""
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY and report.when != "teardown":
                self._add(Case.from_json(value))

    def pytest_handlecrashitem(self, crashitem: str, report: Any, sched: Any) -> None:
        """A worker died in a case: of a crash, or ended because the case ignored its timeout."""
        seconds = time.perf_counter() - self._started.get(crashitem, time.perf_counter())
        late = seconds >= self.timeout
        full = self._workers.pop(report.node.gateway.id, 0) in self.watch.ended
        name = crashitem.rpartition("::")[2].removesuffix("@" + crashitem.rpartition("@")[2])
        message = f"still running after {seconds:.0f} s" if late else "the interpreter died"
        if full:
            late, message = False, f"more than {self.watch.limit} MiB of memory"
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
        """A file was collected, or could not be."""
        if report.failed:
            self.problems = (
                f"{report.nodeid} cannot be collected: {redacted(report.longreprtext)[-800:]}"
            )

    def pytest_internalerror(self, excrepr: Any) -> None:
        """A worker could not even start, for libraries that cannot be imported, say."""
        if self.problems:
            return  # what follows from the first
        whole = redacted(str(excrepr))
        said = in_a_line_with_cause(whole) or whole.strip()[-200:]
        self.problems = f"a process that judges ended: {said[:400]}"

    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """A worker ended, and says what its time went into.

        Raises `RuntimeError` where one after the other dies and no case comes of it: pytest starts
        as many anew as die.
        """
        self._fruitless += bool(error)
        if self._fruitless > self._patience:
            self.problems = self.problems or (
                f"{self._fruitless} processes in a row ended before they judged anything"
            )
            raise RuntimeError(self.problems)
        spent = getattr(node, "workeroutput", {}).get("conformance")
        if spent:
            self.spent.append(spent)

    def timing(self, wall: float, workers: int) -> dict[str, float]:
        """Where the time went: seconds summed over workers, imports those of the slowest."""
        summed = {
            name: sum(each[name] for each in self.spent)
            for name in ("training", "reference", "trainings", "launches")
        }
        imports = [each["imports"] for each in self.spent]
        busy = summed["training"] + summed["reference"] + sum(imports)
        return {
            "wall": round(wall, 2),
            "imports": round(max(imports, default=0.0), 2),
            "training": round(summed["training"], 2),
            "reference": round(summed["reference"], 2),
            "trainings": int(summed["trainings"]),
            "launches": int(summed["launches"]),
            "overhead": round(max(0.0, wall * workers - busy), 2),
            "peak_rss_mib": round(sum(each["peak_rss_mib"] for each in self.spent), 1),
            "workers": workers,
        }

    def _add(self, case: Case) -> None:
        case = replace(
            case,
            message=redacted(case.message),
            evidence=redacted_in(case.evidence),
            reproducer=redacted(case.reproducer),
        )
        self._fruitless = 0
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


def _pid(node: Any) -> int:
    """The process of a worker; 0 when execnet hides it."""
    return int(getattr(getattr(node.gateway._io, "popen", None), "pid", 0))
