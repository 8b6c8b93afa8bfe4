"""The windows of a record as pytest-benchmark stores them, for ``pytest-benchmark compare``."""

import json
from pathlib import Path
from typing import Any

from conformance.compat import is_installed
from conformance.records import Case, Record, write_atomically
from conformance.records.history import training_of

FILE = "benchmark.json"


def store(record: Record, folder: Path) -> Path | None:
    """Write `FILE` into a folder; nothing where nothing was timed, or without pytest-benchmark.

    A round is a window, and its time that of one optimizer step.
    """
    cases = [case for clause in record.clauses for case in clause.cases if case.samples]
    if not cases or not is_installed("pytest_benchmark"):
        return None
    stored = [_stored(case, loop) for case in cases for loop in case.samples]
    data = {
        "machine_info": {**record.stack.hardware, "python_version": record.stack.python},
        "commit_info": {},
        "benchmarks": stored,
        "datetime": record.started,
        "version": record.suite_version,
    }
    path = folder / FILE
    write_atomically(path, json.dumps(data, indent=1) + "\n")
    return path


def _stored(case: Case, loop: str) -> dict[str, Any]:
    from pytest_benchmark.stats import Stats

    stats = Stats()
    for seconds in case.samples[loop]:
        stats.update(seconds)
    name = f"{training_of(case.id)}-{loop}"
    return {
        "group": case.clause,
        "name": name,
        "fullname": f"{case.clause}::{name}",
        "params": None,
        "param": None,
        "extra_info": dict(case.evidence),
        "options": {},
        "stats": {**stats.as_dict(), "data": stats.data, "iterations": 1},
    }
