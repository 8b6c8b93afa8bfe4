import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from conformance.records import Record, Verdict
from conformance.reports import FILES, render, write_all
from conformance.reports.markdown import escape
from conformance.reports.terminal import show
from conformance.subjects import DECLARED

VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and collects them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(record: Record) -> str:
    file = io.StringIO()
    show(record, Console(file=file, width=100))
    return file.getvalue()


def test_all_reports_are_written(record: Record, tmp_path: Path) -> None:
    write_all(record, tmp_path / "a" / "b")
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == set(FILES.values())


@pytest.mark.parametrize("form", FILES)
def test_an_empty_record_can_be_shown(record: Record, form: str) -> None:
    assert render(replace(record, clauses=(), timing={}), form)
    assert "judged nothing" in shown(replace(record, clauses=(), timing={}))


def test_junit_holds_every_case(record: Record) -> None:
    root = ElementTree.fromstring(render(record, "junit"))
    assert root.attrib["tests"] == "13"
    assert [suite.get("name") for suite in root] == [
        "frozen", "output", "checkpoint", "gone", "loss",
    ]  # fmt: skip
    tags = [e.tag for e in root.iter() if e.tag in ("failure", "error", "skipped", "system-out")]
    assert sorted(tags) == [
        "error", "failure", "failure", "failure", "skipped", "skipped", "skipped", "skipped",
        "system-out",
    ]  # fmt: skip
    counted = [root.attrib[name] for name in ("failures", "errors", "time")]
    assert counted == ["3", "1", "3.000"]


def test_junit_says_what_happened(record: Record) -> None:
    root = ElementTree.fromstring(render(record, "junit"))
    found = root.find(".//testcase[@classname='frozen.bit-identical']/failure")
    assert found is not None
    assert found.attrib["message"].startswith("fail: <script>alert('&')</script> [bold] ]]> red")
    assert "second" in (found.text or "")
    assert "--conformance-scenario" in (found.text or "")


def test_junit_of_a_strict_run_fails_on_fixed_deviations(record: Record) -> None:
    root = ElementTree.fromstring(render(replace(record, strict=True), "junit"))
    assert root.attrib["failures"] == "4"


def test_junit_tells_of_too_few_cases(record: Record) -> None:
    clause = replace(record.clauses[0], reason="3 cases, floor 9")
    root = ElementTree.fromstring(render(replace(record, clauses=(clause,)), "junit"))
    found = root.find(".//testcase[@name='frozen.bit-identical']/failure")
    assert found is not None
    assert found.attrib["message"] == "fail: 3 cases, floor 9"


def test_html_is_whole_and_needs_nothing_else(record: Record) -> None:
    text = render(record, "html")
    page = Page(text)
    assert page.open == []
    assert not {tag for tag, _ in page.seen} & {"link", "img", "iframe"}
    assert [attrs for tag, attrs in page.seen if tag == "script"] == [{}]
    assert not re.search(r"https?://|url\(|@import", text.split("</style>")[0])


def test_html_escapes(record: Record) -> None:
    text = render(record, "html")
    assert "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt; [bold] ]]&gt; red" in text
    assert "\x1b" not in text
    text.encode()


def test_html_links_lead_somewhere(record: Record) -> None:
    page = Page(render(record, "html"))
    ids = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
    links = [str(attrs["href"]) for tag, attrs in page.seen if tag == "a"]
    assert len(ids) == len(set(ids))
    inside = {link.removeprefix("#") for link in links if link.startswith("#")}
    assert inside <= set(ids)
    assert all(link.startswith(("#", "https://")) for link in links)


def test_html_shows_code_of_statements(record: Record) -> None:
    assert "After <code>train()</code>" in render(record, "html")


def test_html_opens_what_went_wrong(record: Record) -> None:
    clauses = [a for t, a in Page(render(record, "html")).seen if a.get("class") == "clause"]
    opened = {str(attrs["id"]) for attrs in clauses if "open" in attrs}
    assert {"frozen.bit-identical", "checkpoint.total-limit"} <= opened
    assert "output.named-tuple" not in opened


def test_html_names_no_more_than_200_cases(record: Record) -> None:
    clause = replace(record.clauses[0], cases=record.clauses[0].cases[1:] * 150)
    text = render(replace(record, clauses=(clause,)), "html")
    assert text.count("<li><code>") == 200
    assert "… and 100 more, in record.json" in text


def test_markdown_escapes(record: Record) -> None:
    assert escape("a|b *c* <d>\n`e` _f_") == r"a\|b \*c\* \<d\> \`e\` \_f\_"
    assert escape("1. @all &lt; $x$") == r"&#49;. @<!-- -->all \&lt; \$x\$"
    text = render(record, "markdown")
    assert "## fail: frozen.bit-identical (MUST)" in text
    assert "2 of 3 cases: fail; first llama-wrapped-lora,seed=1" in text
    text.encode()


def test_markdown_fences_are_longer_than_what_they_hold(record: Record) -> None:
    clause = record.clauses[0]
    case = replace(clause.cases[1], message="```\n````")
    text = render(replace(record, clauses=(replace(clause, cases=(case,)),)), "markdown")
    assert "`````\n```\n````\n`````" in text


def test_terminal_ends_with_the_verdict(record: Record) -> None:
    lines = shown(record).rstrip("\n").splitlines()
    assert lines[-1].startswith(
        "does not conform: 1 clause crashes, 1 clause times out, 1 clause fails, 1 clause passes"
    )
    assert lines[-1].endswith("peak 1.1 GiB")


def test_terminal_shows_what_went_wrong(record: Record) -> None:
    text = shown(record)
    assert "<script>alert('&')</script> [bold] ]]> red" in text
    assert re.search(r"^ +evidence +compared=21, largest_difference=0.001", text, re.MULTILINE)
    assert '--conformance-scenario "Scenario(seed=1)"' in text
    assert "not run, no test yet: loss.x" in text
    assert "1 known deviation, with the cases that met each: peft-1 1" in text


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_what_the_subject_declares_is_shown(record: Record, form: str) -> None:
    clause = record.clauses[0]
    reason = f"{DECLARED}it says so"
    declared = [replace(clause.cases[0], verdict=Verdict.NOT_RUN, message=reason)] * 2
    mixed = replace(clause, cases=(*clause.cases, *declared))
    told = replace(record, clauses=(mixed,))
    text = shown(told) if form == "terminal" else render(told, form)
    assert "2 cases: it says so" in text
    assert "eclared by the subject, not run" in text
    assert "eclared by the subject, not run" not in shown(record)


def test_terminal_shortens_long_lists(record: Record) -> None:
    clauses = tuple(replace(record.clauses[-1], id=f"loss.{n}") for n in range(9))
    text = shown(replace(record, clauses=clauses))
    assert "not run, no test yet: loss.0, loss.1, loss.2, loss.3, … 5 more" in text


def test_a_reason_is_shown_everywhere(record: Record) -> None:
    clause = replace(record.clauses[0], reason="3 cases, floor 9", cases=())
    short = replace(record, clauses=(clause,))
    assert "3 cases, floor 9" in shown(short)
    assert "3 cases, floor 9" in render(short, "markdown")
    assert "3 cases, floor 9" in render(short, "html")
    (details,) = (a for _, a in Page(render(short, "html")).seen if a.get("class") == "clause")
    assert "open" in details
