"""The pages in a real browser: read, searched, printed, attacked."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile import MARKUP, hostile

from conformance.records import Record, Verdict, write
from conformance.records.history import read_history
from conformance.reports import render
from conformance.reports.changes import changes
from conformance.reports.comparison_pages import comparison_html
from conformance.reports.trend import histories
from conformance.reports.trend_pages import trend_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser: none of {', '.join(NAMES)}")

SHOWN = ".clause:not([hidden])"
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

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a text as a page; nothing but the file itself may be asked for, and nothing fail."""
    asked: list[str] = []
    failed: list[str] = []

    def open_(text: str, place: str = "", **context: Any) -> Any:
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        page = browser.new_context(**context).new_page()
        page.on("request", lambda request: asked.append(request.url.split("#")[0]))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda message: failed.append(message.text))
        page.on("dialog", lambda dialog: failed.append(dialog.message) or dialog.dismiss())
        page.goto(f"{file.as_uri()}{place}")
        return page

    yield open_
    assert set(asked) == {(tmp_path / "page.html").as_uri()}
    assert failed == []


def compared(record: Record) -> str:
    better = replace(record.clauses[0], verdict=Verdict.PASS, cases=record.clauses[0].cases[:1])
    stack = replace(record.stack, packages={"torch": "2.5.0"})
    before = replace(record, clauses=(better, *record.clauses[2:]), stack=stack)
    return comparison_html(changes(before, record))


def followed(record: Record, folder: Path) -> str:
    for number, verdict in enumerate(["pass", "fail", "pass", "fail"]):
        clause = replace(record.clauses[1], verdict=Verdict(verdict))
        case = replace(clause.cases[0], evidence={"bytes": 10.0 * 2**number})
        packages = {"transformers": f"5.{number}.0"}
        at = replace(
            record,
            stack=replace(record.stack, packages=packages),
            clauses=(replace(clause, cases=(case, *clause.cases)), *record.clauses[2:]),
        )
        write(at, folder / str(number))
    (folder / "damaged.json").write_text("{")
    return trend_html(histories(read_history(folder)))


@pytest.fixture(params=["record", "comparison", "causes", "history"])
def every_page(
    request: pytest.FixtureRequest, record: Record, one_cause: Record, tmp_path: Path
) -> str:
    if request.param in ("record", "causes"):
        return render(record if request.param == "record" else one_cause, "html")
    return compared(record) if request.param == "comparison" else followed(record, tmp_path / "h")


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


def test_searching(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    assert page.locator(SHOWN).count() == 8
    page.fill("#search", "TOTAL limit")
    assert page.locator(f"{SHOWN} > summary b").all_inner_texts() == ["checkpoint.total-limit"]
    assert page.inner_text("#shown") == "1 of 8 clauses shown."
    assert page.locator(".chapter:not([hidden])").count() == 1
    page.fill("#search", "lora,seed=2")
    assert page.locator(SHOWN).count() == 1
    page.fill("#search", "nowhere to be found")
    assert page.locator(SHOWN).count() == 0


def test_filtering(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    page.check("[name=kind][value=fail]")
    page.check("[name=kind][value=crash]")
    assert page.locator(f"{SHOWN} > summary b").all_inner_texts() == [
        "frozen.bit-identical", "checkpoint.adapter-only",
    ]  # fmt: skip
    page.select_option("#chapter", "frozen")
    assert page.locator(SHOWN).count() == 1
    page.click("[type=reset]")
    page.select_option("#level", "SHOULD")
    assert page.locator(f"{SHOWN} > summary b").all_inner_texts() == ["output.metrics-values"]


def test_tiles_filter(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    page.click(".tile[data-only=timeout]")
    assert page.locator(f"{SHOWN} > summary b").all_inner_texts() == ["checkpoint.total-limit"]


def test_keyboard_alone(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    page.keyboard.press("/")
    page.keyboard.type("output")
    assert page.locator(SHOWN).count() == 3
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    clause = page.locator("details.clause", has=page.locator("summary:focus"))
    assert clause.get_attribute("id") == "output.epoch"
    page.keyboard.press("Enter")
    assert clause.evaluate("each => each.open")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    assert page.locator(SHOWN).count() == 8
    page.focus("[name=kind][value=pass]")
    page.keyboard.press("Space")
    assert page.locator(SHOWN).count() == 1


def test_a_link_to_a_clause_opens_it(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"), "#output.named-tuple")
    assert page.locator("[id='output.named-tuple']").evaluate("each => each.open")
    page.fill("#search", "frozen.bit-identical")
    page.evaluate("location.hash = 'loss.x'")
    page.wait_for_selector("[id='loss.x'][open]")
    assert page.locator(SHOWN).count() == 8


def test_opening_and_closing_what_is_shown(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"))
    page.fill("#search", "output.")
    page.click("#open")
    assert page.locator(".clause[open]").count() == 6
    page.click("#close")
    assert page.locator(".clause[open]").count() == 0


def test_without_its_script_it_still_opens(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"), java_script_enabled=False)
    assert not page.is_visible("#tools")
    page.click("[id='output.named-tuple'] > summary")
    assert page.is_visible("[id='output.named-tuple'] table")


@pytest.mark.parametrize("form", ["record", "comparison", "history"])
def test_nothing_hostile_runs_or_is_lost(
    opened: Open, record: Record, tmp_path: Path, form: str
) -> None:
    text = {
        "record": lambda: render(hostile(record), "html"),
        "comparison": lambda: comparison_html(changes(record, hostile(record))),
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


def test_causes_come_first_and_lead_to_their_clauses(opened: Open, one_cause: Record) -> None:
    page = opened(render(one_cause, "html"))
    cause, clause = page.locator("#cause-1"), page.locator("[id='injection.equivalent']")
    assert cause.bounding_box()["y"] < page.locator("#tools").bounding_box()["y"]
    assert not clause.evaluate("each => each.open")
    assert not cause.get_by_text("injection.equivalent").is_visible()
    cause.get_by_text("4 clauses that fail of it").click()
    cause.get_by_role("link", name="injection.equivalent").click()
    page.wait_for_function("document.getElementById('injection.equivalent').open")
    clause.get_by_role("link", name="cause 1").click()
    assert page.evaluate("location.hash") == "#cause-1"


def test_clauses_are_filtered_by_cause(opened: Open, one_cause: Record) -> None:
    page = opened(render(one_cause, "html"))
    page.select_option("#cause", "1")
    assert page.locator(SHOWN).count() == 4
    page.select_option("#cause", "0")
    assert "loop.clipping" in page.locator(f"{SHOWN} > summary b").all_inner_texts()
    assert page.locator("[id='injection.equivalent']").is_hidden()
    page.click(".tile[data-only=fail]")
    assert page.locator(SHOWN).count() == 5


def test_comparisons_filter_by_change(opened: Open, record: Record) -> None:
    page = opened(compared(record))
    assert page.inner_text("h1") == "1 MUST clause got worse"
    assert page.inner_text(".moved tbody tr >> nth=0").split() == ["torch", "2.5.0", "2.6.0"]
    page.click(".tile[data-only=added]")
    assert page.locator(f"{SHOWN} > summary b").all_inner_texts() == ["output.named-tuple"]


def test_histories_show_turns_and_curves(opened: Open, record: Record, tmp_path: Path) -> None:
    page = opened(followed(record, tmp_path / "h"))
    assert page.inner_text("h1") == "4 records by release"
    assert "was pass until 2025-01-02, transformers 5.2.0 → 5.3.0" in page.inner_text(
        "tbody >> nth=0"
    )
    assert page.locator("svg.strip rect").count() == 4
    box = page.locator("svg.spark polyline").first.bounding_box()
    assert box["width"] > 100 and box["height"] > 10


def test_ten_thousand_cases_stay_a_small_page(opened: Open, record: Record) -> None:
    case = record.clauses[1].cases[0]
    cases = tuple(replace(case, id=f"{case.id},{n}" + "x" * 100) for n in range(100))
    named = (replace(record.clauses[1], id=f"output.x{n}", cases=cases) for n in range(180))
    text = render(replace(record, clauses=(*named, *record.clauses)), "html")
    assert len(text) < 500_000
    page = opened(text)
    page.fill("#search", "x179")
    assert page.locator(SHOWN).count() == 1
