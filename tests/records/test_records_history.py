"""Many records in brief: what is kept, and what is skipped for which reason."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.records import Record, Verdict, write
from conformance.records.history import Snapshot, Spread, holds_history, read_history


@pytest.fixture
def only(record: Record, tmp_path: Path) -> Snapshot:
    write(record, tmp_path / "a" / "b")
    (snapshot,) = read_history(tmp_path).snapshots
    return snapshot


def test_what_a_snapshot_keeps(only: Snapshot, record: Record) -> None:
    assert (only.place, only.started, only.stack) == (
        "a/b/record.json", record.started, record.stack,
    )  # fmt: skip
    assert only.verdicts == {clause.id: clause.verdict for clause in record.clauses}
    assert only.levels["gone.clause"] == "OBSERVED"
    assert only.count(Verdict.NOT_RUN) == 2


def test_numbers_of_passing_cases_are_kept_as_spreads(only: Snapshot) -> None:
    name = "output.named-tuple"
    assert only.spreads[name, "largest_difference"] == Spread(0.0, 0.001, 0.001)
    assert only.spreads[name, "compared"] == Spread(21.0, 21.0, 21.0)
    assert (name, "ok") not in only.spreads
    assert (name, "kind") not in only.spreads
    assert only.spreads["frozen.bit-identical", "compared"] == Spread(21.0, 21.0, 21.0)
    assert ("checkpoint.total-limit", "compared") not in only.spreads
    assert only.spreads["run", "wall"] == Spread(96.0, 96.0, 96.0)


def test_the_median_is_that_of_the_values(record: Record, tmp_path: Path) -> None:
    clause = record.clauses[1]
    sizes = (3.0, 100.0, 1.0, 2.0, 4.0)
    cases = (replace(clause.cases[0], evidence={"bytes": size}) for size in sizes)
    write(replace(record, clauses=(replace(clause, cases=tuple(cases)),)), tmp_path)
    (snapshot,) = read_history(tmp_path).snapshots
    assert snapshot.spreads[clause.id, "bytes"] == Spread(1.0, 3.0, 100.0)


def damaged(record: Record, how: str) -> str:
    data: dict[str, Any] = record.to_json()
    if how == "level":
        data["clauses"][0]["level"] = "MAY"
    if how == "verdict":
        data["clauses"][0]["cases"][0]["verdict"] = "fine"
    if how == "schema":
        data["schema"] = 99
    if how == "half a pair":
        data["clauses"][0]["cases"][0] = "\ud800"
    if how == "missing":
        del data["stack"]
    text = json.dumps(data)
    return {"cut": text[: len(text) // 2], "empty": "", "list": "[]"}.get(how, text)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("cut", "is not JSON, or was cut short"),
        ("empty", "is not JSON, or was cut short"),
        ("list", "is not a record"),
        ("level", "is not a record: Invalid enum value 'MAY'"),
        ("verdict", "is not a record: Invalid enum value 'fine'"),
        ("missing", "is not a record: Object missing required field `stack`"),
        ("half a pair", "is not a record: it holds what is no text"),
        ("schema", "is of schema 99, this program reads schema 1"),
    ],
)
def test_a_damaged_record_is_named_and_skipped(
    record: Record, tmp_path: Path, how: str, why: str
) -> None:
    write(record, tmp_path / "good")
    (tmp_path / "bad.json").write_text(damaged(record, how))
    history = read_history(tmp_path)
    assert [each.place for each in history.snapshots] == ["good/record.json"]
    assert list(history.skipped) == ["bad.json"]
    assert why in history.skipped["bad.json"]


def test_what_is_no_file_is_not_waited_for(record: Record, tmp_path: Path) -> None:
    write(record, tmp_path / "good")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "folder.json").mkdir()
    skipped = read_history(tmp_path).skipped
    assert {name for name, why in skipped.items() if why == "is no file"} == {
        "pipe.json",
        "zero.json",
        "folder.json",
    }
    assert "cannot be read" in skipped["loop.json"]


def test_what_is_no_measure_of_the_libraries_is_skipped(record: Record, tmp_path: Path) -> None:
    write(replace(record, complete=False), tmp_path / "a")
    write(replace(record, fault="one-base-weight-nudged"), tmp_path / "b")
    (tmp_path / "c.json").write_bytes(b'{"started": "\xff"}')
    (tmp_path / "faults.json").write_text("{}")
    assert read_history(tmp_path).skipped == {
        "a/record.json": "the run was broken off",
        "b/record.json": "the fault one-base-weight-nudged was planted",
        "c.json": "is not UTF-8",
    }


def test_a_folder_of_one_run_is_no_history(record: Record, tmp_path: Path) -> None:
    assert not holds_history(tmp_path)
    write(record, tmp_path / "earlier" / "x")
    assert holds_history(tmp_path)
    write(record, tmp_path)
    assert not holds_history(tmp_path)
    assert not holds_history(tmp_path / "record.json")
