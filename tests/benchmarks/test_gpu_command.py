"""The command ``gpu``: what it does without a card, and all the way on a CPU."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conformance import cards, cli
from conformance.cards import Machine
from conformance.commands import run as running
from conformance.options import RunOptions
from conformance.records import RECORD, Journal, Record, Stack, read

NO_CARD = Machine("2.9.1+cu128", "12.8")


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


@pytest.fixture
def without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lying machine: it has no card, whatever this one has."""
    monkeypatch.setattr(cards, "machine", lambda: NO_CARD)


@pytest.mark.usefixtures("without_a_card")
def test_without_a_card_nothing_runs_and_that_is_said(tmp_path: Path) -> None:
    result = call("gpu", "--report-dir", tmp_path)
    assert result.exit_code == 0
    assert result.stdout == "not-run: no CUDA device\n"
    record = read(tmp_path)
    assert {clause.verdict.value for clause in record.clauses} == {"not-run"}
    assert {clause.reason for clause in record.clauses} == {"no CUDA device"}
    assert (tmp_path / "report.html").is_file()


@pytest.mark.usefixtures("without_a_card")
def test_a_card_that_is_required_and_missing_fails(tmp_path: Path) -> None:
    result = call("gpu", "--require-gpu", "--report-dir", tmp_path, "--chapter", "throughput")
    assert result.exit_code == 2
    assert result.stdout == "not-run: no CUDA device\n"
    assert len(json.loads((tmp_path / RECORD).read_text())["clauses"]) == 4


@pytest.mark.usefixtures("without_a_card")
def test_run_refuses_a_device_that_is_not_there(tmp_path: Path) -> None:
    result = call("run", "--device", "cuda", "--report-dir", tmp_path)
    assert result.exit_code == 2
    assert "no CUDA device" in result.stderr


def test_a_run_on_a_cpu_is_no_cards_baseline(tmp_path: Path) -> None:
    """It would take the place of the Trainer's own, which holds the whole of profile quick."""
    result = call("gpu", "--device", "cpu", "--update-baseline", "--report-dir", tmp_path)
    assert result.exit_code == 2
    assert "writes a card's" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_a_card")
def test_calibrating_needs_a_card() -> None:
    result = call("gpu-calibrate")
    assert result.exit_code == 2
    assert "no CUDA device" in result.stderr


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_what_was_broken_off_is_gone_on_with_by_the_same_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str
) -> None:
    """A lying run, which is interrupted once it has begun; the command it names is one it takes."""
    asked: list[RunOptions] = []

    def run(options: RunOptions, **_: Any) -> None:
        asked.append(options)
        begun = Record(
            "0.1", "2026-01-01T00:00:00+00:00", Stack("3.11", "Linux", "cpu", {}), "smoke"
        )
        Journal(options.report_dir).open(begun)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_judged", run)
    given = ("--profile", profile, "--device", "cpu", "--chapter", "throughput")
    result = call("gpu", *given, "--workers", 1, "--report-dir", tmp_path)
    assert result.exit_code == 130
    again = shlex.split(result.stderr.splitlines()[-1])
    assert again[:3] == ["peft-conformance", "gpu", "--resume"]
    assert call(*again[1:]).exit_code == 130
    assert asked[1] == replace(asked[0], resume=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("gpu", "--profile", "smoke"), "unknown profile 'smoke'"),
        (("gpu", "--device", "tpu"), "unknown device 'tpu'"),
        (("gpu-calibrate", "--device", "cpu", "--pairs", 2), "2 pairs calibrate nothing"),
        (("gpu-calibrate", "--device", "cpu", "--case", "x"), "unknown case 'x'"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[Any, ...], says: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_all_the_way_on_a_cpu(tmp_path: Path) -> None:
    """Two clauses of one training: measured once, told in the record, resumed from it."""
    chosen = ("--clause", "throughput.lora", "--clause", "throughput.trainer-overhead")
    given = ("gpu", "--device", "cpu", *chosen, "--report-dir", tmp_path)
    assert call(*given).exit_code == 0
    record = read(tmp_path)
    cases = {case.id: case for clause in record.clauses for case in clause.cases}
    speed = cases["test_lora[tiny-lora-default]"]
    assert speed.evidence["tokens_a_second"] > 0
    assert "mean nothing" in str(speed.evidence["on_cpu"])
    assert len(speed.samples["trainer"]) == 30
    over = cases["test_trainer_overhead[tiny-lora-default]"]
    assert set(over.samples) == {"trainer", "hand"}
    assert over.seconds < 1 < speed.seconds
    assert cases["test_lora[tiny-lora-best]"].verdict.value == "not-run"
    stored = json.loads((tmp_path / "benchmark.json").read_text())["benchmarks"]
    assert "throughput.lora::tiny-lora-default-trainer" in {each["fullname"] for each in stored}
    assert call(*given, "--resume").exit_code == 0
    assert read(tmp_path).clauses == record.clauses
