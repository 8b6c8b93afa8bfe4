"""What became of planted faults is shown with the record whose packages they were planted into."""

from dataclasses import replace
from pathlib import Path

import pytest

from conformance import paths
from conformance.controls import store
from conformance.controls.outcome import Kind, Outcome
from conformance.records import Record, stack
from conformance.reports import render

FAULT = "one-base-weight-nudged"
CAUGHT = Outcome(FAULT, "frozen.bit-identical", Kind.CAUGHT, "base", "test_x", 1, 0.5, seen=())


@pytest.fixture
def own(record: Record) -> Record:
    """The record as one of the installed packages."""
    return replace(record, stack=stack())


@pytest.fixture(autouse=True)
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of baselines that holds what became of one fault."""
    store.write(store.Memory({FAULT: store.Entry(CAUGHT, "print")}), tmp_path)
    monkeypatch.setattr(paths, "baselines", lambda: tmp_path)
    return tmp_path


def test_what_is_committed_is_shown(own: Record) -> None:
    assert f'<th scope="row">{FAULT}</th>' in render(own, "html")


def test_what_the_folder_holds_comes_first(own: Record, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    other = replace(CAUGHT, fault="a-base-tensor-cast-and-back")
    store.write(store.Memory({other.fault: store.Entry(other, "print")}), folder)
    page = render(own, "html", folder)
    assert f'<th scope="row">{other.fault}</th>' in page
    assert f'<th scope="row">{FAULT}</th>' not in page


def test_other_packages_are_told_nothing(record: Record) -> None:
    assert f'<th scope="row">{FAULT}</th>' not in render(record, "html")


def test_a_damaged_file_says_nothing(own: Record, committed: Path) -> None:
    (committed / "faults.json").write_text("{", encoding="utf-8")
    assert f'<th scope="row">{FAULT}</th>' not in render(own, "html")
