"""What is known to be caught is not planted again, unless something it depends on changed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.controls import fingerprint as prints
from conformance.controls import planting, store
from conformance.controls.fingerprint import fingerprint, source
from conformance.controls.outcome import Kind, Outcome
from conformance.controls.planting import Way, plant
from conformance.controls.store import Entry, Memory
from conformance.faults import Fault, faults
from conformance.records import RecordError, stack

NUDGED = faults()["one-base-weight-nudged"]
CAST = faults()["a-base-tensor-cast-and-back"]
CAUGHT = Outcome(NUDGED.name, NUDGED.clause, Kind.CAUGHT, "base", "test_x", 1, 0.5)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is remembered of the package's files from one test to the next."""
    cached = (prints._machinery, prints._installed, prints._clauses, prints._all_clauses)
    for each in (*cached, prints._tests):
        each.cache_clear()
    yield
    for each in (*cached, prints._tests):
        each.cache_clear()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace planting by noting the names, every fault being caught."""
    names: list[str] = []

    def caught(chosen: Sequence[Fault], way: Way) -> Iterator[Outcome]:
        for each in chosen:
            names.append(each.name)
            yield Outcome(each.name, each.clause, Kind.CAUGHT, seen=() if way.matrix else None)

    monkeypatch.setattr(planting, "_planted", caught)
    return names


def known(memory: Memory, way: Way = Way()) -> list[bool]:  # noqa: B008
    return [before for _, before in plant([NUDGED, CAST], way, memory)]


def test_what_was_caught_is_not_planted_again(planted: list[str]) -> None:
    memory = Memory()
    assert known(memory) == [False, False]
    assert known(memory) == [True, True]
    assert planted == [NUDGED.name, CAST.name]


def test_again_plants_all(planted: list[str]) -> None:
    memory = Memory()
    known(memory)
    assert known(memory, Way(again=True)) == [False, False]


def test_a_matrix_is_not_known_from_a_run_without(planted: list[str]) -> None:
    memory = Memory()
    known(memory)
    assert known(memory, Way(matrix=True)) == [False, False]
    assert known(memory, Way(matrix=True)) == [True, True]
    assert known(memory) == [True, True]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CAUGHT])
def test_only_what_was_caught_is_recalled(kind: Kind) -> None:
    memory = Memory()
    memory.add(Entry(Outcome(NUDGED.name, NUDGED.clause, kind), "alone"))
    assert memory.recall(NUDGED.name, "alone") is None


def test_a_changed_fault_is_planted_again() -> None:
    memory = Memory()
    memory.add(Entry(CAUGHT, "alone", "whole"))
    assert memory.recall(NUDGED.name, "alone") == CAUGHT
    assert memory.recall(NUDGED.name, "other") is None
    assert memory.recall(NUDGED.name, "alone", "other") is None
    assert memory.recall(NUDGED.name, "") is None
    assert memory.recall("another", "alone") is None


def test_what_has_changed_since_is_forgotten() -> None:
    memory = Memory()
    memory.add(Entry(replace(CAUGHT, seen=("x",), red=("x",)), "alone", "whole"))
    memory.forget("another", "alone", "whole")
    memory.forget(NUDGED.name, "alone", "whole")
    assert memory.outcomes()[0].red == ("x",)
    memory.forget(NUDGED.name, "alone", "changed")
    assert memory.outcomes() == (CAUGHT,)
    memory.forget(NUDGED.name, "changed", "changed")
    assert memory.outcomes() == ()


def test_what_has_no_fingerprint_is_forgotten() -> None:
    memory = Memory()
    memory.add(Entry(CAUGHT, prints.UNKNOWN))
    memory.forget(NUDGED.name, prints.UNKNOWN, prints.UNKNOWN)
    assert memory.outcomes() == ()


# ---- fingerprints ---------------------------------------------------------------------------


def test_faults_of_a_file_have_fingerprints_of_their_own() -> None:
    assert "nudge" in source(NUDGED)
    assert "cast" not in source(NUDGED).replace("broadcast", "")
    assert fingerprint(NUDGED, matrix=False) == fingerprint(NUDGED, matrix=False)
    assert fingerprint(NUDGED, matrix=False) != fingerprint(CAST, matrix=False)
    assert fingerprint(NUDGED, matrix=False) != fingerprint(NUDGED, matrix=True)


@pytest.mark.parametrize(
    ("part", "alone", "whole"),
    [
        ("suite/test_frozen.py", True, True),
        ("suite/test_output.py", False, True),
        ("suite/conftest.py", True, True),
        ("checks/frozen.py", True, True),
        ("running/single.py", True, True),
        ("scenarios/sweep.py", True, True),
        ("faults/seams.py", True, True),
        ("faults/frozen.py", True, True),
        ("faults/output.py", False, False),
        ("reports/html.py", False, False),
        ("cli.py", False, False),
    ],
)
def test_what_a_fingerprint_depends_on(
    monkeypatch: pytest.MonkeyPatch, part: str, alone: bool, whole: bool
) -> None:
    before = [fingerprint(NUDGED, matrix=matrix) for matrix in (False, True)]
    read = prints._text

    def edited(path: Path) -> str:
        return read(path) + ("\nEDITED = 1\n" if path == prints.PACKAGE / part else "")

    monkeypatch.setattr(prints, "_text", edited)
    for each in (prints._machinery, prints._clauses, prints._all_clauses):
        each.cache_clear()
    after = [fingerprint(NUDGED, matrix=matrix) for matrix in (False, True)]
    assert [old != new for old, new in zip(before, after, strict=True)] == [alone, whole]


def test_another_stack_has_other_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(NUDGED, matrix=False)
    monkeypatch.setattr(prints, "_installed", lambda: "another")
    assert fingerprint(NUDGED, matrix=False) != before


def test_editable_libraries_have_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prints, "_installed", lambda: None)
    assert fingerprint(NUDGED, matrix=False) == prints.UNKNOWN


# ---- the file -------------------------------------------------------------------------------


def written(folder: Path) -> Any:
    memory = Memory()
    memory.add(Entry(CAUGHT, "alone", "whole"))
    memory.add(Entry(Outcome(CAST.name, CAST.clause, Kind.CAUGHT, seen=("x",), red=("x",)), "a"))
    store.write(memory, folder)
    return memory


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    memory = written(tmp_path / "new")
    found = store.read(tmp_path / "new", faults())
    assert (found.entries, found.packages) == (memory.entries, stack().packages)
    assert store.read(tmp_path, faults()) == Memory()


def test_faults_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    written(tmp_path)
    assert list(store.read(tmp_path, [CAST.name]).entries) == [CAST.name]


def cut(text: str) -> str:
    return text[: len(text) // 2]


def of_another_schema(text: str) -> str:
    return text.replace('"schema": 1', '"schema": 2')


def with_an_unknown_kind(text: str) -> str:
    return text.replace('"caught"', '"eaten"')


def a_list(text: str) -> str:
    return json.dumps([text])


@pytest.mark.parametrize("damage", [cut, of_another_schema, with_an_unknown_kind, a_list])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Any) -> None:
    written(tmp_path)
    file = tmp_path / store.FAULTS
    file.write_text(damage(file.read_text()))
    with pytest.raises(RecordError, match=store.FAULTS):
        store.read(tmp_path, faults())
