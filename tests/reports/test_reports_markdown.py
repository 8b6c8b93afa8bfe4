"""Markdown as GitHub and GitLab show it: read by a parser, it says what was meant and no more."""

from dataclasses import replace

import pytest
from hostile import LINES, MARKUP, hostile
from markdown_it import MarkdownIt
from markdown_it.token import Token

from conformance.records import Record
from conformance.reports.changes import changes
from conformance.reports.comparison_pages import comparison_markdown
from conformance.reports.groups import clean
from conformance.reports.markdown import markdown
from conformance.reports.markdown_blocks import COMMENT, Block, escape, fenced, fit, shortened

NOTE = "elsewhere."


def tokens(text: str) -> list[Token]:
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [each for token in found for each in (token, *(token.children or ()))]


def plain(text: str) -> str:
    return "".join(token.content for token in tokens(text) if token.type.startswith("text"))


def large(record: Record, times: int = 400) -> Record:
    clause = record.clauses[0]
    many = (replace(clause, id=f"frozen.x{n}") for n in range(times))
    return replace(record, clauses=(*many, *record.clauses[1:]))


@pytest.mark.parametrize("start", ["", "- ", "1. ", "+ ", "=== ", "> ", "# ", "    "])
def test_escaped_text_is_shown_as_it_is(start: str) -> None:
    text = " ".join(f"{start}{MARKUP}".split())
    seen = tokens(escape(text))
    assert plain(escape(text)) == text
    assert {token.type for token in seen} <= {
        "paragraph_open", "paragraph_close", "inline", "text", "text_special", "html_inline",
    }  # fmt: skip
    assert {token.content for token in seen if token.type == "html_inline"} == {"<!-- -->"}


def test_fences_hold_whatever_they_are_given() -> None:
    (fence,) = tokens(fenced(LINES))
    assert fence.type == "fence"
    assert fence.content == clean(LINES).replace("\r", "") + "\n"


def test_a_hostile_record_makes_no_markup_of_its_own(record: Record) -> None:
    seen = tokens(markdown(hostile(record)))
    assert {token.content for token in seen if token.type == "html_inline"} == {"<!-- -->"}
    assert not {token.type for token in seen} & {"link_open", "image", "html_block", "code_block"}
    tables = [token for token in seen if token.type == "table_open"]
    assert len(tables) == 1


def test_a_long_report_fits_a_comment_and_says_so(record: Record) -> None:
    text = markdown(large(record))
    assert COMMENT - 2000 < len(text.encode()) <= COMMENT
    assert "further sections are left out; record.json" in text.splitlines()[-1]


@pytest.mark.parametrize("limit", range(300, 9000, 290))
def test_nothing_is_cut_in_the_middle(record: Record, limit: int) -> None:
    whole, text = (markdown(large(record, 9), each) for each in (10**9, limit))
    assert len(text.encode()) <= limit
    assert set(text.splitlines()[:-1]) <= set(whole.splitlines())
    assert text.count("\n```\n") % 2 == 0
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) <= 1


def test_a_table_ends_with_a_whole_row() -> None:
    table = Block(("| a |", "| --- |"), tuple(f"| {n:04} |" for n in range(100)))
    text = fit([table, Block(("last",))], 400, NOTE)
    assert len(text.encode()) <= 400
    rows = [line for line in text.splitlines() if line.startswith("| 0")]
    assert rows == list(table.rows[: len(rows)])
    left = f"**Shortened:** {100 - len(rows)} lines above and 1 further section are left out"
    assert text.splitlines()[-1] == f"{left}; {NOTE}"


def test_long_messages_lose_their_middle() -> None:
    lines = shortened("\n".join(map(str, range(500)))).splitlines()
    assert (lines[0], lines[30], lines[-1]) == ("0", "… 440 lines left out …", "499")
    assert len(shortened("x" * 5000)) == 1001


def test_a_comparison_fits_too(record: Record) -> None:
    text = comparison_markdown(changes(record, hostile(large(record))), 5000)
    assert len(text.encode()) <= 5000
    assert {t.content for t in tokens(text) if t.type == "html_inline"} <= {"<!-- -->"}
