import json
import re
from pathlib import Path
from typing import Any

import pytest

from conformance.records import Record, RecordError, read, write, write_atomically
from conformance.records.history import snapshot


@pytest.fixture
def path(tmp_path: Path, record: Record) -> Path:
    write(record, tmp_path)
    return tmp_path / "record.json"


def changed(path: Path, at: list[Any], value: Any) -> Path:
    """The record with one value put elsewhere."""
    data = place = json.loads(path.read_text())
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    path.write_text(json.dumps(data))
    return path


def test_a_record_or_its_folder(path: Path, record: Record) -> None:
    assert read(path) == record == read(path.parent)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"record\.json does not exist$"):
        read(tmp_path)


def test_unreadable(path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: Not a directory"):
        read(path / "x")


def test_not_utf8(path: Path) -> None:
    path.write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(RecordError, match="is not UTF-8 at byte 12"):
        read(path)


def test_cut_short_anywhere(path: Path) -> None:
    whole = path.read_bytes().rstrip()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match="is not JSON, or was cut short") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "3", '"schema"', "{}", "null"])
def test_some_other_json(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(RecordError, match="is not a record: it names no schema"):
        read(path)


@pytest.mark.parametrize("text", ["NaN", "[" * 100_000])
def test_json_that_is_none(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(RecordError, match="is not JSON"):
        read(path)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema(path: Path, schema: Any) -> None:
    expected = f"is of schema {schema}, this program reads schema 1"
    with pytest.raises(RecordError, match=re.escape(expected)):
        read(changed(path, ["schema"], schema))


@pytest.mark.parametrize(
    ("at", "value", "where"),
    [
        (["complete"], 1, "$.complete"),
        (["stack"], [], "$.stack"),
        (["stack", "packages", "torch"], 2, "$.stack.packages.torch"),
        (["selection"], {"chapters": []}, "$.selection"),
        (["counts"], {"passed": 3}, "$.counts"),
        (["timing", "wall"], "long", "$.timing.wall"),
        (["clauses"], {}, "$.clauses"),
        (["clauses", 0], None, "$.clauses[0]"),
        (["clauses", 0, "id"], "../../a", "$.clauses[0].id"),
        (["clauses", 0, "level"], "MAY", "$.clauses[0].level"),
        (["clauses", 0, "cases", 1, "verdict"], "bad", "$.clauses[0].cases[1].verdict"),
        (["clauses", 0, "cases", 1, "evidence", "x"], [1], "$.clauses[0].cases[1].evidence.x"),
        (["clauses", 0, "cases", 1, "seconds"], -1, "$.clauses[0].cases[1].seconds"),
        (["clauses", 0, "cases", 1, "extra"], 1, "$.clauses[0].cases[1]"),
        (["surplus"], "y" * 999, "$"),
    ],
)
def test_wrong_shapes_name_the_place(path: Path, at: list[Any], value: Any, where: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(changed(path, at, value))
    assert str(caught.value).startswith(f"{path}: at {where}: ")
    assert len(str(caught.value)) < 300 + len(str(path))


def test_every_field_is_needed(path: Path) -> None:
    data = json.loads(path.read_text())
    for name in data:
        path.write_text(json.dumps({key: value for key, value in data.items() if key != name}))
        with pytest.raises(RecordError):
            read(path)


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    old = path.read_text()
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == old
    assert list(path.parent.iterdir()) == [path]


def test_a_file_without_end_is_no_record() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("this system has no file without end")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conformance.records.reading.LARGEST", 2**20)
        with pytest.raises(RecordError, match="has more than 1 MiB"):
            read(Path("/dev/zero"))


@pytest.mark.parametrize("depth", [20, 900, 100_000])
def test_a_file_nested_without_end_is_no_record(tmp_path: Path, record: Record, depth: int) -> None:
    nested = f'"save": {"[" * depth}{"]" * depth}'
    text = json.dumps(record.to_json()).replace('"save": "steps"', nested)
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(RecordError, match=r"nested|not JSON"):
        read(tmp_path)
    if depth > 20_000:
        with pytest.raises(RecordError, match="nested too deep"):
            snapshot(tmp_path / "record.json", "here")
