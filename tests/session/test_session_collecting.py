"""What a run makes of workers that die: each costs its case, and one that judges none ends it."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance import pytest_run
from conformance.collector import Collector
from conformance.options import RunOptions
from conformance.progress import Progress
from conformance.records import Journal, Record

HERE = Path(__file__).parent
CRASHED = "test_frozen.py::test_bit_identical[x]"


@pytest.fixture
def collector(record: Record, tmp_path: Path) -> Collector:
    journal = Journal(tmp_path)
    journal.open(replace(record, clauses=(), complete=False))
    return Collector(journal, (), Progress(io.StringIO()), timeout=9.0, memory=0)


def died(collector: Collector, at: str = "") -> None:
    """A worker is gone, in the midst of a case or not."""
    node = SimpleNamespace(gateway=SimpleNamespace(id="gw0"))
    collector.pytest_testnodedown(node, "Not properly terminated")
    if at:
        collector.pytest_handlecrashitem(at, SimpleNamespace(node=node), None)


def test_a_crash_of_every_case_ends_no_run(collector: Collector) -> None:
    for _ in range(100):
        died(collector, CRASHED)
    assert len(collector.cases) == 100


def test_workers_that_judge_nothing_end_it(collector: Collector) -> None:
    collector.pytest_xdist_setupnodes([object()])
    with pytest.raises(RuntimeError, match="before they judged anything"):
        for _ in range(100):
            died(collector)
    assert collector.problems == "6 processes in a row ended before they judged anything"


def test_pytest_is_told_no_limit(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def main(arguments: list[str], **_: Any) -> pytest.ExitCode:
        told.extend(arguments)
        return pytest.ExitCode.OK

    monkeypatch.setattr(pytest, "main", main)
    pytest_run.judge(RunOptions(), {}, 2, collector)
    (limit,) = (each for each in told if each.startswith("--max-worker-restart="))
    assert int(limit.partition("=")[2]) > 1_000_000


def test_a_worker_that_cannot_start_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    chosen = ["--clause", "signature.import-path", "--profile", "smoke", "--workers", "1"]
    chosen += ["--trainer", "dying_in_workers:Own", "--report-dir", str(tmp_path)]
    own = {
        n: v for n, v in os.environ.items() if not n.startswith("PYTEST_XDIST_")
    }  # no worker yet
    ended = subprocess.run(
        [sys.executable, "-m", "conformance", "run", *chosen],
        env={**own, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 2
    assert "processes in a row ended before they judged anything" in ended.stderr
