"""The command ``faults``, with planting replaced."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conformance import cli, one_thread
from conformance.controls import planting, store
from conformance.controls.outcome import Kind, Outcome
from conformance.controls.planting import Way
from conformance.faults import Fault, faults
from conformance.faults.selecting import select
from conformance.records import Record, stack, write

NUDGED = "one-base-weight-nudged"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The command with a table of kinds for some faults; all others are caught."""

    def called(*arguments: str, **kinds: Kind) -> Any:
        given = {name.replace("_", "-"): kind for name, kind in kinds.items()}

        def planted(chosen: Sequence[Fault], way: Way) -> Iterator[Outcome]:
            for each in chosen:
                kind = given.get(each.name, Kind.CAUGHT)
                red = ("output.epoch",) if way.matrix else None
                yield Outcome(each.name, each.clause, kind, "said", "", 1, 0.5, red, red)

        monkeypatch.setattr(planting, "_planted", planted)
        return CliRunner().invoke(cli.app, ["faults", *arguments, "--report-dir", str(tmp_path)])

    return called


def test_all_caught(call: Callable[..., Any], tmp_path: Path) -> None:
    result = call()
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{len(faults())} faults: {len(faults())} caught\n" in result.stdout
    assert len(store.read(tmp_path, faults()).entries) == len(faults())


@pytest.mark.parametrize("kind", [Kind.SURVIVED, Kind.UNFIT, Kind.NO_VERDICT])
def test_one_that_is_not_caught(call: Callable[..., Any], kind: Kind) -> None:
    result = call(NUDGED, one_base_weight_nudged=kind)
    assert result.exit_code == 1
    assert f"{kind.value.upper():10} {NUDGED} frozen.bit-identical 1 case" in result.stdout


def test_one_that_cannot_be_judged_here(call: Callable[..., Any]) -> None:
    assert call(NUDGED, one_base_weight_nudged=Kind.NOT_RUN).exit_code == 0


def test_a_second_time_nothing_is_planted(call: Callable[..., Any]) -> None:
    call("--chapter", "frozen")
    result = call("--chapter", "frozen")
    assert f"{len(select((), ('frozen',)))} known from before" in result.stdout
    assert NUDGED not in result.stdout


def test_a_damaged_memory_is_not_used(call: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / store.FAULTS).write_text("{")
    result = call(NUDGED)
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    assert result.stderr.endswith("; it is not used\n")
    assert NUDGED in store.read(tmp_path, faults()).entries


def test_a_must_that_nothing_turns_red(call: Callable[..., Any]) -> None:
    clause = "frozen.inactive-adapters"
    mine = [name for name, fault in faults().items() if fault.clause == clause]
    result = call("--chapter", "frozen", **dict.fromkeys(mine, Kind.SURVIVED))
    assert result.exit_code == 1
    assert f"unproven {clause}: no fault" in result.stdout


def test_a_report_of_other_packages_shows_no_outcomes(
    call: Callable[..., Any], tmp_path: Path, record: Record
) -> None:
    write(record, tmp_path)
    call(NUDGED)
    story = faults()[NUDGED].story
    shown = f'<b>{NUDGED}</b> {story} <span class="quiet">not planted yet</span>'
    assert shown in (tmp_path / "report.html").read_text()


@pytest.mark.skipif(not one_thread.AVAILABLE, reason="the matrix needs forking")
def test_the_matrix_is_shown_and_goes_into_the_report(
    call: Callable[..., Any], tmp_path: Path, record: Record
) -> None:
    write(replace(record, stack=stack()), tmp_path)
    result = call(NUDGED, "--matrix")
    assert f"{NUDGED} (frozen.bit-identical): output.epoch\n" in result.stdout
    assert "frozen.bit-identical: output.epoch\n" in result.stdout
    page = (tmp_path / "report.html").read_text()
    assert "What planted faults turn red" in page
    assert f'<th scope="row">{NUDGED}</th>' in page
    story = faults()[NUDGED].story
    assert f'<b>{NUDGED}</b> {story} <span class="quiet">caught</span>' in page


def test_what_cannot_be_done_is_refused(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["--matrix", "--cold"], ["--at-once", "0"], ["zzz"]):
        assert call(*arguments).exit_code == 2
    monkeypatch.setattr(one_thread, "AVAILABLE", False)
    assert call("--matrix").exit_code == 2
