"""A history as Markdown and as a page."""

from collections.abc import Iterator

from conformance.records import SEVERITY

from .groups import shown
from .markdown_blocks import COMMENT, Block, escape, fit, listed, paragraph, table
from .pages import page
from .sparklines import curve
from .summary import counted
from .throughput import courses, in_words
from .trend import Drift, Histories, Trend, Turn, release, since

_LATEST = 50


def trend_html(histories: Histories) -> str:
    """The history as one HTML file that needs nothing else."""
    return page(
        "trend.html.j2",
        histories=histories,
        latest=_LATEST,
        severity=SEVERITY,
        curve=curve,
        release=release,
        shown=shown,
        courses=courses,
    )


def trend_markdown(histories: Histories, limit: int = COMMENT) -> str:
    """The history as GitHub Flavored Markdown, in no more than ``limit`` bytes."""
    return fit(_blocks(histories), limit, "`report --format html` shows everything.")


def _blocks(histories: Histories) -> Iterator[Block]:
    yield paragraph(f"# {counted(histories.count, 'record')} by {histories.order.value}")
    yield listed("Skipped", (escape(f"{k}: {why}") for k, why in histories.skipped.items()))
    for trend in histories.trends:
        yield from _trend(trend)


def _trend(trend: Trend) -> Iterator[Block]:
    title = f"{trend.trainer}, profile {trend.profile}, {trend.device}"
    yield paragraph(f"## {escape(title)}", escape(f"From {trend.ends[0]} to {trend.ends[1]}."))
    if trend.turns:
        turned = (_turn(turns) for turns in trend.turns.values())
        yield table(["clause", "level", "was", "is", "turns", "since"], turned)
    else:
        yield paragraph("No clause turned.")
    found = courses(trend.snapshots)
    yield listed("Tokens per second", (escape(f"{c.training}: {in_words(c)}") for c in found))
    if moving := trend.moving:
        header = ["measured", "first median", "last median", "last largest", "change"]
        yield table(header, map(_drift, moving))


def _turn(turns: tuple[Turn, ...]) -> list[str]:
    last = turns[-1]
    cells = [last.clause, last.level, str(last.before), str(last.after), str(len(turns))]
    return [*map(escape, cells), escape(since(last))]


def _drift(drift: Drift) -> list[str]:
    first, last = drift.spreads[0], drift.spreads[-1]
    numbers = map(shown, (first.median, last.median, last.largest))
    return [escape(f"{drift.clause} {drift.name}"), *numbers, f"{drift.change:+.1%}"]
