"""A real browser, and pages of every kind to open in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from every import Open

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need one are skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)}")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
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
