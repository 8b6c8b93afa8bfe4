import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__
from conformance.environments import Environment, Stack, Unresolvable
from conformance.environments.matrix import LOG, judge_all, judge_row, plan
from conformance.environments.matrixfile import Row
from conformance.environments.stack_folder import State, judged, kept, state
from conformance.options import RunOptions
from conformance.records import Record, RecordError, Selection, write
from conformance.steady import Unjudged

ASKED = RunOptions(profile="quick", clauses=("frozen.bit-identical",))
EXACT = Row(3, "five", ("transformers==5.0.0", "peft==0.18.1"))
NEWEST = Row(4, "newest", ("latest",))


class Bench:
    """Builds and judges by hand, and counts."""

    def __init__(self, record: Record) -> None:
        self.record = replace(
            record, suite_version=__version__, selection=Selection((), ASKED.clauses)
        )
        self.versions: Mapping[str, str] = {"peft": "0.18.1"}
        self.built = 0
        self.runs = 0
        self.fails: Exception | None = None
        self.said: list[str] = []

    def build(self, specs: tuple[str, ...]) -> Environment:
        self.built += 1
        if isinstance(self.fails, Unresolvable):
            raise self.fails
        return Environment(Stack(specs), Path(sys.executable), self.versions, {})

    def judge(self, environment: Environment, folder: Path) -> Record:
        self.runs += 1
        if self.fails:
            raise self.fails
        write(self.record, folder)
        return self.record

    def row(self, row: Row, folder: Path, options: RunOptions = ASKED) -> State:
        return judge_row(
            row, folder, options, build=self.build, judge=self.judge, say=self.said.append
        )


@pytest.fixture
def bench(record: Record) -> Bench:
    return Bench(record)


def test_what_was_judged_is_not_judged_again(bench: Bench, tmp_path: Path) -> None:
    first = bench.row(EXACT, tmp_path)
    assert bench.row(replace(EXACT, index=9), tmp_path) == replace(first, index=9)
    assert (bench.built, bench.runs) == (1, 1)
    assert bench.said == ["five: judged already, kept"]


@pytest.mark.parametrize(
    "options",
    [
        replace(ASKED, profile="smoke"),
        replace(ASKED, clauses=()),
        replace(ASKED, seed=1),
        replace(ASKED, trainer="trl:SFTTrainer"),
    ],
)
def test_but_when_something_else_is_asked(
    bench: Bench, tmp_path: Path, options: RunOptions
) -> None:
    bench.row(EXACT, tmp_path)
    bench.row(EXACT, tmp_path, options)
    assert bench.runs == 2


def test_nor_by_another_suite(bench: Bench, tmp_path: Path) -> None:
    bench.row(EXACT, tmp_path)
    write(replace(bench.record, suite_version="99"), tmp_path)
    bench.row(EXACT, tmp_path)
    assert bench.runs == 2


def test_more_workers_judge_the_same(bench: Bench, tmp_path: Path) -> None:
    bench.row(EXACT, tmp_path)
    bench.row(EXACT, tmp_path, replace(ASKED, workers=2))
    assert bench.runs == 1


def test_other_specs_are_judged_again(bench: Bench, tmp_path: Path) -> None:
    bench.row(EXACT, tmp_path)
    bench.row(replace(EXACT, specs=("transformers==5.0.1",)), tmp_path)
    assert bench.runs == 2


def test_a_run_that_was_broken_off_is_judged_again(bench: Bench, tmp_path: Path) -> None:
    bench.row(EXACT, tmp_path)
    write(replace(bench.record, complete=False), tmp_path)
    assert kept(tmp_path, EXACT.specs, ASKED) is None
    bench.row(EXACT, tmp_path)
    assert bench.runs == 2


def test_what_an_index_decides_is_kept_while_its_versions_are(bench: Bench, tmp_path: Path) -> None:
    bench.row(NEWEST, tmp_path)
    bench.row(NEWEST, tmp_path)
    assert (bench.built, bench.runs) == (2, 1)
    bench.versions = {"peft": "0.19.0"}
    assert bench.row(NEWEST, tmp_path).versions == {"peft": "0.19.0"}
    assert bench.runs == 2


def test_a_stack_that_cannot_be_built_is_a_result(bench: Bench, tmp_path: Path) -> None:
    bench.row(EXACT, tmp_path)
    bench.fails = Unresolvable(Stack(EXACT.specs), "no index has peft==0.18.1")
    found = bench.row(replace(EXACT, specs=("peft==0.18.1",)), tmp_path)
    assert found.reason == "no index has peft==0.18.1"
    assert state(tmp_path) == found
    assert not (tmp_path / "record.json").exists()


def test_a_stack_that_cannot_be_judged_is_a_result(bench: Bench, tmp_path: Path) -> None:
    bench.fails = Unjudged("no record: it died")
    assert bench.row(EXACT, tmp_path).reason == "no record: it died"


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", "3", "{", "[" * 100_000, '{"a":' * 20 + "1" + "}" * 20),
        '{"index": "0", "name": "a", "specs": []}',
        '{"index": 0, "name": ["a"], "specs": []}',
    ],
)
def test_a_damaged_state_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(RecordError, match=r"stack\.json is "):
        state(tmp_path)
    assert kept(tmp_path, (), ASKED) is None


def test_states_are_found_below_a_folder_in_order(tmp_path: Path) -> None:
    State(1, "b", ("latest",)).write(tmp_path / "a")
    State(0, "a", ("latest",)).write(tmp_path / "nested" / "b")
    assert [found.name for found, _ in judged(tmp_path)] == ["a", "b"]


def test_the_plan_is_what_github_takes() -> None:
    found: dict[str, Any] = json.loads(json.dumps(plan([EXACT, NEWEST])))
    assert found == {
        "include": [
            {"name": "five", "index": 3, "specs": ["transformers==5.0.0", "peft==0.18.1"]},
            {"name": "newest", "index": 4, "specs": ["latest"]},
        ]
    }


# ---- in processes of their own --------------------------------------------------------------


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_all_are_run_and_what_they_say_is_kept(tmp_path: Path) -> None:
    said: list[str] = []
    rows = [Row(n, f"r{n}", ("latest",)) for n in range(3)]
    found = judge_all(
        rows,
        lambda row: python(f"print('I am {row.name}'); raise SystemExit({row.index})"),
        tmp_path,
        2,
        said.append,
    )
    assert dict(found) == {"r0": 0, "r1": 1, "r2": 2}
    assert (tmp_path / "r1" / LOG).read_text() == "I am r1\n"
    assert "r2: ended with status 2: I am r2 (" in "\n".join(said)


def test_an_interrupt_ends_all_that_run(tmp_path: Path) -> None:
    code = f"""
import sys, signal
from pathlib import Path
from conformance.environments.matrix import judge_all
from conformance.environments.matrixfile import Row
signal.signal(signal.SIGINT, signal.default_int_handler)
rows = [Row(n, f"r{{n}}", ("latest",)) for n in range(2)]
sleep = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
list(judge_all(rows, lambda row: [sys.executable, "-c", sleep], Path({str(tmp_path)!r}), 2, print))
"""
    child = subprocess.Popen(python(code), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    logs = [tmp_path / f"r{n}" / LOG for n in range(2)]
    deadline = time.monotonic() + 60
    while not all(log.exists() and log.read_text().strip() for log in logs):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    assert all(gone(int(log.read_text().split()[0])) for log in logs)


def gone(process: int) -> bool:
    """Whether a process ends within seconds: whoever reaps it may be busy."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
