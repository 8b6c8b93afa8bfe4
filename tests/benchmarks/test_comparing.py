"""What may be compared, and what comes of it."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from conformance.benchmarks.cases import Training
from conformance.benchmarks.comparing import REFUSED, Incomparable, compare, timed
from conformance.benchmarks.measuring import HAND, TRAINER, Measured, Order
from conformance.benchmarks.pytest_benchmark_file import store
from conformance.benchmarks.turns import Calibration, in_turns, judge
from conformance.records import Case, ClauseResult, Record, RecordError, Stack, Verdict

CARD = {"card": "NVIDIA L4", "cards": "1", "memory_mib": "23034", "driver": "550"}
NAME = "8b-lora-default"
ORDER = Order(Training("8b", "lora"), "cuda")


def times(slower: float = 0.0, seed: int = 0) -> list[float]:
    random = numpy.random.default_rng(seed)
    return list(0.5 * (1 + slower) * random.normal(1, 0.002, 30))


def record(samples: list[float], batch: int = 2, hardware: Mapping[str, str] = CARD) -> Record:
    case = Case(
        f"test_lora[{NAME}]",
        "throughput.lora",
        {},
        Verdict.PASS,
        {"batch": batch},
        samples={TRAINER: tuple(samples)},
    )
    over = replace(case, id=f"test_trainer_overhead[{NAME}]")
    over = replace(over, samples={TRAINER: tuple(samples), HAND: tuple(samples)})
    clause = ClauseResult("throughput.lora", "throughput", "OBSERVED", Verdict.PASS, "", (case,))
    other = replace(clause, id="throughput.trainer-overhead", cases=(over,))
    stack = Stack("3.11", "Linux", "cuda", {}, hardware=hardware)
    return Record("0.1", "2026-01-01", stack, "smoke", clauses=(clause, other))


def test_samples_survive_json() -> None:
    made = record(times())
    assert Record.from_json(made.to_json()) == made


def test_hand_written_loops_are_not_compared() -> None:
    assert list(timed(record(times()))) == [NAME]


def test_a_regression_over_the_threshold() -> None:
    (found,) = compare(record(times()), record(times(0.05, seed=1)), {NAME: 0.02})
    assert found.verdict == "regression"
    assert found.shift is not None
    assert found.shift.value == pytest.approx(0.05, abs=0.005)


def test_a_shift_that_runs_of_the_same_show_too() -> None:
    (found,) = compare(record(times()), record(times(0.01, seed=1)), {NAME: 0.05})
    assert found.verdict == "unchanged"


def test_nothing_is_said_without_a_calibration() -> None:
    (found,) = compare(record(times()), record(times(0.5, seed=1)), {})
    assert found.verdict == "inconclusive"
    assert "this card" in found.reason


@pytest.mark.parametrize(
    ("name", "value"), [("card", "NVIDIA A100"), ("cards", "2"), ("power_limit_w", "60")]
)
def test_different_cards_are_refused(name: str, value: str) -> None:
    with pytest.raises(Incomparable, match=name):
        compare(record(times()), record(times(), hardware={**CARD, name: value}), {})


def test_records_without_a_card_are_refused() -> None:
    with pytest.raises(Incomparable, match="does not say"):
        compare(record(times(), hardware={}), record(times(), hardware={}), {})


def test_another_driver_may_be_what_is_compared() -> None:
    newer = record(times(seed=1), hardware={**CARD, "driver": "580"})
    assert compare(record(times()), newer, {NAME: 0.05})[0].verdict == "unchanged"


def test_another_batch_is_refused() -> None:
    (found,) = compare(record(times()), record(times(), batch=1), {NAME: 0.02})
    assert (found.verdict, found.reason) == (REFUSED, "batch 2 → 1")


# ---- in turns -------------------------------------------------------------------------------


class Side:
    """A lying stack: each measurement is as slow as it is told."""

    def __init__(self, heard: list[str], name: str, slower: float, batch: int = 2) -> None:
        self.heard, self.name, self.slower, self.batch = heard, name, slower, batch

    def __call__(self, _: Order) -> Measured:
        self.heard.append(self.name)
        samples = times(self.slower, seed=len(self.heard))
        return Measured({"batch": self.batch}, {TRAINER: samples})


def test_sides_take_turns_and_the_slower_one_is_found() -> None:
    heard: list[str] = []
    turns = in_turns(ORDER, Side(heard, "A", 0.0), Side(heard, "B", 0.03), 3, heard.append)
    assert [each for each in heard if len(each) == 1] == ["A", "B", "B", "A", "A", "B"]
    assert judge(NAME, turns, 0.01).verdict == "regression"
    assert judge(NAME, turns, 0.2).verdict == "unchanged"
    assert [round(each, 2) for each in turns.shifts] == [0.03, 0.03, 0.03]


def test_sides_of_different_batches_are_refused() -> None:
    turns = in_turns(ORDER, Side([], "A", 0), Side([], "B", 0, batch=1), 1, lambda _: None)
    assert judge(NAME, turns, 0.01).verdict == REFUSED


def test_calibration_survives_and_holds_for_its_card_alone(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    Calibration(CARD, {NAME: [0.01, -0.02, 0.0], "few": [0.1]}).write(path)
    found = Calibration.read(path)
    assert found.thresholds(CARD) == {NAME: 0.03}
    with pytest.raises(Incomparable):
        found.thresholds({**CARD, "card": "NVIDIA A100"})


@pytest.mark.parametrize("text", ["[]", "{}", '{"shifts": {"a": 1}, "hardware": {}}', "no"])
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(RecordError):
        Calibration.read(path)


# ---- stored ---------------------------------------------------------------------------------


def test_pytest_benchmark_reads_what_is_stored(tmp_path: Path) -> None:
    path = store(record(times()), tmp_path)
    assert path is not None
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(path), "--columns=median"]
    said = subprocess.run(command, capture_output=True, check=True, text=True, cwd=tmp_path)
    assert f"{NAME}-trainer" in said.stdout
    assert f"{NAME}-hand" in said.stdout


def test_nothing_is_stored_where_nothing_was_timed(tmp_path: Path) -> None:
    assert store(replace(record(times()), clauses=()), tmp_path) is None
    assert list(tmp_path.iterdir()) == []
