"""The pages in a real browser: readable in any light, on a phone, in print, under attack."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from every import EVERY, Open, followed, judged_by_many
from hostile import MARKUP, hostile

from conformance.records import Record
from conformance.reports import render
from conformance.reports.changes import changes
from conformance.reports.comparison_pages import comparison_html

FAINT = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = {};
  let seen = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [a, b] = [numbers(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen += 1;
    if (ratio < 4.5) found[texts.currentNode.data.trim().slice(0, 30)] = ratio;
  }
  return [seen, found];
}"""
"""How many texts are visible, and those of a contrast below 4.5 (WCAG 2.2, 1.4.3) with theirs."""


@pytest.fixture(params=EVERY)
def every_page(
    request: pytest.FixtureRequest, record: Record, one_cause: Record, tmp_path: Path
) -> str:
    return EVERY[request.param](record, one_cause, tmp_path / "h")


def test_every_text_can_be_read_light_and_dark(opened: Open, every_page: str) -> None:
    for scheme in ("light", "dark"):
        page = opened(every_page, color_scheme=scheme)
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        seen, faint = page.evaluate(FAINT)
        assert seen > 20
        assert faint == {}


def test_the_contrast_is_really_measured(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    page.add_style_tag(content=".quiet { color: #999 !important }")
    assert page.evaluate(FAINT)[1] != {}


def test_a_phone_need_not_scroll_sideways(opened: Open, every_page: str) -> None:
    page = opened(every_page, viewport={"width": 390, "height": 844})
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_print_is_dark_on_white_without_tools(opened: Open, every_page: str) -> None:
    page = opened(every_page, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#tools:visible").count() == 0
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("form", ["record", "comparison", "history", "matrix"])
def test_nothing_hostile_runs_or_is_lost(
    opened: Open, record: Record, tmp_path: Path, form: str
) -> None:
    text = {
        "record": lambda: render(hostile(record), "html"),
        "comparison": lambda: comparison_html(changes(record, hostile(record))),
        "matrix": lambda: judged_by_many(hostile(replace(record, trainer=MARKUP))),
        "history": lambda: followed(replace(record, trainer=MARKUP), tmp_path / "h"),
    }[form]()
    page = opened(text)
    assert page.evaluate("document.scripts.length") == 1
    assert page.locator("img, iframe, [onerror], a[href^=javascript]").count() == 0
    assert MARKUP in page.locator("body").text_content()


def test_a_script_that_is_not_ours_does_not_run(
    browser: Any, record: Record, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    planted = "<script>document.title = 'planted'</script></body>"
    file.write_text(render(record, "html").replace("</body>", planted), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.title() == "does not conform: peft-conformance"


PAPER = 688  # pixels between the margins of an A4 sheet


def test_print_cuts_nothing_off(opened: Open, every_page: str) -> None:
    page = opened(every_page, viewport={"width": PAPER, "height": 200})
    page.emulate_media(media="print")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    wide = "[...document.querySelectorAll('.wide')]"
    assert page.evaluate(f"{wide}.every(e => e.scrollHeight <= e.clientHeight + 1)")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
