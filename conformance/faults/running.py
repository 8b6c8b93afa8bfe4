"""Planting every fault in turn, and demanding that its clause turns red."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance.records import Record, Verdict, read

from .registry import Fault

TIMEOUT = 300.0  # seconds for one fault: a start, its clause at profile faults, and slack


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a planted fault led to; ``message`` is the first failure's, or why there was none."""

    fault: Fault
    killed: bool
    cases: int
    failed: int
    message: str


def plant_all(faults: Iterable[Fault], at_once: int) -> Iterator[Outcome]:
    """The outcome of each fault, in order; ``at_once`` of them run beside each other."""
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(plant, faults)


def plant(fault: Fault) -> Outcome:
    """Judge the fault's clause at profile faults in a process that the fault is planted in."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "conformance",
            "run",
            "--profile",
            "faults",
            "--workers",
            "1",
        ]
        command += ["--clause", fault.clause, "--fault", fault.name, "--report-dir", folder]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome(fault, False, 0, 0, f"no verdict within {TIMEOUT:.0f} s")
        if ended.returncode not in (0, 1):
            return Outcome(fault, False, 0, 0, ended.stderr.strip()[-300:])
        return _outcome(fault, read(Path(folder)))


def _outcome(fault: Fault, record: Record) -> Outcome:
    cases = [case for clause in record.clauses for case in clause.cases]
    failed = [case for case in cases if case.verdict is Verdict.FAIL]
    message = failed[0].message if failed else "no case failed"
    return Outcome(fault, bool(failed), len(cases), len(failed), message)
