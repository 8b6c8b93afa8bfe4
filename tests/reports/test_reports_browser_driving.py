"""The pages in a real browser: searched, filtered and followed, with the mouse and without."""

from dataclasses import replace
from pathlib import Path

from every import Open, compared, followed

from conformance.records import Record
from conformance.reports import render

SHOWN = ".clause:not([hidden])"


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


def test_causes_come_first_and_lead_to_their_clauses(opened: Open, one_cause: Record) -> None:
    page = opened(render(one_cause, "html"))
    cause, clause = page.locator("#cause-1"), page.locator("[id='injection.equivalent']")
    assert cause.bounding_box()["y"] < page.locator("#tools").bounding_box()["y"]
    assert not clause.evaluate("each => each.open")
    assert not cause.get_by_text("injection.equivalent").is_visible()
    cause.get_by_text("4 clauses that fail of it").click()
    cause.get_by_role("link", name="injection.equivalent").click()
    page.locator("[id='injection.equivalent'][open]").wait_for()
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
    assert text.count("<li>fail <code>") <= 6000  # of 18,000, each clause with as many as another
    assert len(text) < 1_500_000
    page = opened(text)
    page.fill("#search", "x179")
    assert page.locator(SHOWN).count() == 1
