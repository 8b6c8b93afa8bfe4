"""What ``report`` and ``compare`` write: a record, a history or a comparison, in a format."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from conformance.options import UsageError
from conformance.records import read
from conformance.records.history import holds_history, read_history

from .printing import shown

if TYPE_CHECKING:
    from conformance.reports.trend import Histories

Show = Callable[[Console], None]


def report(
    path: Path,
    form: str,
    order: str,
    history: Path | None,
    colours: bool | None,
    *,
    verbose: bool = False,
) -> str:
    """One record in a format; or, of a folder that holds several, their history.

    ``history`` is a folder of earlier records, which HTML shows beside each clause. ``colours``
    `None` means if the output is a terminal, where all that is well takes a line unless
    ``verbose``. Raises `RecordError`, and `UsageError` for what has
    no such format.
    """
    from conformance.baselines import against
    from conformance.reports import render

    if holds_history(path):
        return _history(path, form, order, colours)
    from conformance.reports.terminal import show

    record = read(path)
    folder = path if path.is_dir() else path.parent
    changes = against(record)
    if form == "terminal":
        return shown(
            lambda console: show(record, console, changes, folder, verbose=verbose), colours
        )
    earlier = earlier_of(history, order) if history else None
    return render(record, form, folder, earlier, changes)


def compare(before: Path, after: Path, form: str, colours: bool | None) -> tuple[str, bool]:
    """Two records in a format, and whether a MUST clause got worse; raises as `report` does.

    Either may be a baseline.
    """
    from conformance.baselines import read_either
    from conformance.reports.changes import changes
    from conformance.reports.comparison import show_comparison
    from conformance.reports.comparison_pages import comparison_html, comparison_markdown

    found = changes(read_either(before), read_either(after))
    writers: dict[str, Callable[[], str]] = {
        "terminal": lambda: shown(
            lambda console: show_comparison(found.comparison, console), colours
        ),
        "markdown": lambda: comparison_markdown(found),
        "html": lambda: comparison_html(found),
    }
    return _written(writers, form, "comparison"), found.comparison.regressed


def _history(path: Path, form: str, order: str, colours: bool | None) -> str:
    from conformance.reports.trend_pages import trend_html, trend_markdown
    from conformance.reports.trend_terminal import show_histories

    found = earlier_of(path, order)
    writers: dict[str, Callable[[], str]] = {
        "terminal": lambda: shown(lambda console: show_histories(found, console), colours),
        "markdown": lambda: trend_markdown(found),
        "html": lambda: trend_html(found),
    }
    return _written(writers, form, "history")


def earlier_of(folder: Path, order: str = "release") -> "Histories":
    """The records in a folder, as HTML shows them beside each clause; raises as `report` does."""
    from conformance.reports.trend import Order, histories

    known = tuple(each.value for each in Order)
    if order not in known:
        raise UsageError(f"a history runs by {' or '.join(known)}, not by {order}")
    return histories(read_history(folder), Order(order))


def _written(writers: dict[str, Callable[[], str]], form: str, what: str) -> str:
    if form not in writers:
        raise UsageError(f"a {what} has no format {form}; it has {', '.join(writers)}")
    return writers[form]()
