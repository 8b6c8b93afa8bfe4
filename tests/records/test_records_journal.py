import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.records import Case, Journal, Record, RecordError, left_in, read, recover


def cases_of(record: Record) -> tuple[Case, ...]:
    return tuple(case for clause in record.clauses for case in clause.cases)


@pytest.fixture
def header(record: Record) -> Record:
    return replace(record, clauses=(), complete=False, timing={})


@pytest.fixture
def broken_off(tmp_path: Path, record: Record, header: Record) -> Path:
    """The folder of a run that ended after all its cases and before its record."""
    journal = Journal(tmp_path)
    journal.open(header)
    for case in cases_of(record):
        journal.add(case)
    return tmp_path


def test_a_finished_run_leaves_the_record_alone(broken_off: Path, record: Record) -> None:
    Journal(broken_off).close(record)
    assert read(broken_off) == record
    assert [path.name for path in broken_off.iterdir()] == ["record.json"]


def test_every_case_is_on_disk_at_once(tmp_path: Path, record: Record, header: Record) -> None:
    journal = Journal(tmp_path / "new" / "folder")
    journal.open(header)
    for number, case in enumerate(cases_of(record), 1):
        journal.add(case)
        assert len(recover(journal.folder).cases) == number
    journal.close(record)
    assert read(journal.folder).complete


def test_a_run_that_was_broken_off_is_no_record(broken_off: Path, record: Record) -> None:
    count = len(cases_of(record))
    with pytest.raises(RecordError, match=f"broken off after {count} cases; see record.jsonl"):
        read(broken_off)
    (broken_off / "record.jsonl").unlink()
    with pytest.raises(RecordError, match="broken off after its start, and left no journal"):
        read(broken_off)


def test_recovery(broken_off: Path, record: Record, header: Record) -> None:
    assert recover(broken_off) == (header, cases_of(record))


def test_recovery_wherever_the_last_line_was_cut(broken_off: Path, record: Record) -> None:
    path = broken_off / "record.jsonl"
    whole = path.read_bytes()
    last = whole.rstrip().rfind(b"\n") + 1
    for length in range(last, len(whole) + 1):
        path.write_bytes(whole[:length])
        all_there = length >= len(whole) - 1
        assert recover(broken_off).cases == cases_of(record)[: None if all_there else -1]


def test_damage_elsewhere_is_told(broken_off: Path) -> None:
    path = broken_off / "record.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][:-9] + "\n", *lines[2:]]))
    with pytest.raises(RecordError, match=r"record\.jsonl, line 2 is not JSON"):
        recover(broken_off)
    path.write_text("".join([lines[0], json.dumps({"id": 3}) + "\n"]))
    with pytest.raises(RecordError, match=r"record\.jsonl, line 2: at \$"):
        recover(broken_off)


@pytest.mark.parametrize("text", ["", '{"schema": 1'])
def test_a_journal_without_a_header(broken_off: Path, text: str) -> None:
    (broken_off / "record.jsonl").write_text(text)
    with pytest.raises(RecordError, match="holds no whole line"):
        recover(broken_off)


def test_a_new_run_replaces_the_old(broken_off: Path, header: Record) -> None:
    Journal(broken_off).open(header)
    assert recover(broken_off).cases == ()


def test_a_journal_that_is_not_open(tmp_path: Path, record: Record) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        Journal(tmp_path).add(cases_of(record)[0])


def test_a_run_that_is_resumed_keeps_its_cases(
    broken_off: Path, record: Record, header: Record
) -> None:
    found = left_in(broken_off)
    resumed = replace(header, resumed=("2025-01-02T04:00:00+00:00",))
    journal = Journal(broken_off)
    journal.open(resumed, found.cases[:2])
    assert left_in(broken_off) == (resumed, found.cases[:2])
    for case in found.cases[2:]:
        journal.add(case)
    journal.close(replace(record, resumed=resumed.resumed))
    whole, cases = left_in(broken_off)
    assert (whole.resumed, whole.complete, cases) == (resumed.resumed, True, cases_of(record))


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no run to resume in"):
        left_in(tmp_path)
