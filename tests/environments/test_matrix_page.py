from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conformance.environments.stack_folder import State
from conformance.records import ClauseResult, Record, RecordError, Verdict, write
from conformance.reports.matrix import PAGES, Matrix, html, markdown, merged
from conformance.reports.matrix import write as write_page

ILL = "no index has <peft> | 0.1 \x1b[31m`x`"


@pytest.fixture
def folder(tmp_path: Path, record: Record) -> Path:
    """Three stacks: as the record, one that conforms, one that cannot be installed."""
    State(1, "old", ("transformers==4.45.2",)).write(tmp_path / "old")
    write(record, tmp_path / "old")
    State(0, "new", ("latest",), notes=("moved <it>",)).write(tmp_path / "deep" / "new")
    good = ClauseResult("frozen.bit-identical", "frozen", "MUST", Verdict.PASS)
    write(replace(record, clauses=(good,)), tmp_path / "deep" / "new")
    State(2, "odd", ("peft==0.1",), reason=ILL).write(tmp_path / "odd")
    return tmp_path


def test_records_are_merged_in_the_order_of_their_file(folder: Path) -> None:
    found = merged([folder])
    assert [column.name for column in found.columns] == ["new", "old", "odd"]
    assert found.sentence == "3 stacks: 1 conforms, 1 does not conform, 1 not judged"
    assert replace(found, columns=found.columns[:1] * 2).sentence == "2 stacks: 2 conform"
    assert found.exit_status == 1
    assert found.changes("frozen.bit-identical")


def test_stack_by_chapter_and_by_clause(folder: Path) -> None:
    text = markdown(merged([folder]))
    assert "| new | conforms | 1 pass |" in text
    assert "| frozen.bit-identical | pass | fail |  |" in text
    assert "- odd: no index has \\<peft\\> \\| 0.1" in text


class Parsed(HTMLParser):
    """Counts rows and cells; raises nothing, so that what is unclosed is seen by the stack."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_escaped(folder: Path) -> None:
    text = html(merged([folder]))
    parsed = Parsed(text)
    assert parsed.open == []
    assert "no index has <peft> | 0.1" in parsed.text
    assert "moved <it>" in parsed.text
    assert text.count("<script") == 1
    assert "\x1b" not in text


def test_both_pages_are_written(folder: Path) -> None:
    write_page(merged([folder]), folder)
    assert all((folder / name).read_text() for name in PAGES)


def test_nothing_judged_at_all(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no stack was judged in"):
        merged([tmp_path])
    State(0, "odd", ("peft==0.1",), reason="no").write(tmp_path / "odd")
    found = merged([tmp_path])
    assert (found.judged, found.exit_status) == (False, 1)
    assert "not judged" in html(found)
    assert "not judged" in markdown(found)


def test_a_run_that_was_broken_off_is_a_row(folder: Path, record: Record) -> None:
    write(replace(record, complete=False), folder / "old")
    (_, old, _) = merged([folder]).columns
    assert old.reason.startswith("the run was broken off after")


@pytest.mark.parametrize(
    "change", [{"suite_version": "9"}, {"profile": "full"}, {"trainer": "trl:SFTTrainer"}]
)
def test_what_cannot_be_compared_is_refused(
    folder: Path, record: Record, change: dict[str, str]
) -> None:
    write(replace(record, **change), folder / "old")  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="old was judged with"):
        merged([folder])


def test_two_of_a_name_are_refused(folder: Path) -> None:
    State(5, "old", ("latest",), reason="no").write(folder / "again")
    with pytest.raises(RecordError, match="more than one folder holds the stack old"):
        merged([folder])


def test_an_empty_matrix_needs_no_clause() -> None:
    assert Matrix(()).exit_status == 0
