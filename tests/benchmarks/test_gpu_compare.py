"""The commands that compare: what they ask for, what they say, how they exit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from typer.testing import CliRunner

from conformance import cli, environments
from conformance.benchmarks import fresh_process
from conformance.benchmarks.measuring import TRAINER, Measured, Order
from conformance.benchmarks.turns import Calibration
from conformance.records import Case, ClauseResult, Record, Stack, Verdict, write

CARD = {"card": "NVIDIA L4", "cards": "1"}
NAME = "tiny-lora-default"


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def times(slower: float = 0.0) -> tuple[float, ...]:
    random = numpy.random.default_rng(int(abs(slower) * 1000))
    return tuple(0.5 * (1 + slower) * random.normal(1, 0.002, 30))


def written(folder: Path, slower: float, hardware: Mapping[str, str] = CARD) -> Path:
    case = Case(f"test_lora[{NAME}]", "throughput.lora", {}, Verdict.PASS)
    case = replace(case, samples={TRAINER: times(slower)})
    clause = ClauseResult("throughput.lora", "throughput", "OBSERVED", Verdict.PASS, "", (case,))
    stack = Stack("3.11", "Linux", "cuda", {}, hardware=hardware)
    record = Record("0.1", "2026-01-01T00:00:00+00:00", stack, "smoke", clauses=(clause,))
    write(replace(record, complete=True), folder)
    return folder


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "calibration.json"
    Calibration(CARD, {NAME: [0.01, -0.005, 0.002]}).write(path)
    return path


@pytest.mark.parametrize(
    ("slower", "status", "says"), [(0.1, 1, "regression"), (-0.1, 0, "improvement")]
)
def test_records(tmp_path: Path, calibration: Path, slower: float, status: int, says: str) -> None:
    before, after = written(tmp_path / "a", 0.0), written(tmp_path / "b", slower)
    result = call("gpu-compare", before, after, "--calibration", calibration)
    assert result.exit_code == status
    assert result.stdout.startswith(f"{NAME}: {says}: ")
    assert "threshold 1.50%" in result.stdout


def test_records_of_different_cards_are_refused(tmp_path: Path, calibration: Path) -> None:
    other = written(tmp_path / "b", 0.0, {**CARD, "card": "NVIDIA A100"})
    result = call("gpu-compare", written(tmp_path / "a", 0.0), other)
    assert result.exit_code == 2
    assert "card NVIDIA L4 → NVIDIA A100" in result.stderr
    again = call("gpu-compare", other, other, "--calibration", calibration)
    assert again.exit_code == 2


def test_stacks_are_measured_in_turns_each_by_its_own_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Lying stacks: nothing is built, and the second one is slower."""
    asked: list[str] = []

    class Built:
        def __init__(self, name: str) -> None:
            self.python = Path(name)

        def environ(self) -> dict[str, str]:
            return {"STACK": self.python.name}

    def measured(order: Order, python: str = "", environ: Any = None) -> Measured:
        asked.append(python)
        assert environ == {"STACK": python}
        return Measured({"batch": 2}, {TRAINER: list(times(0.1 if "2" in python else 0.0))})

    monkeypatch.setattr(environments, "build", lambda stack, *_: Built(str(stack)))
    monkeypatch.setattr(fresh_process, "in_a_process", measured)
    given = ("--device", "cpu", "--case", NAME, "--pairs", 2)
    result = call("gpu-upgrade", "--from", "peft==1", "--to", "peft==2", *given)
    assert asked == ["peft==1", "peft==2", "peft==2", "peft==1"]
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{NAME}: inconclusive: ")
