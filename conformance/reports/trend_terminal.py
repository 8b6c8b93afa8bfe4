"""A history, for people at a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .groups import clean, shown
from .sparklines import bars
from .summary import counted
from .terminal import STYLES
from .throughput import courses, in_words
from .trend import Drift, Histories, Trend, Turn, since

TURNS_SHOWN = 30
DRIFTS_SHOWN = 15


def show_histories(histories: Histories, console: Console) -> None:
    """Print each trend, then what was skipped; the last line sums it up."""
    for trend in histories.trends:
        _show_trend(trend, console)
    for place, why in histories.skipped.items():
        _line(console, f"skipped {place}: {why}", "yellow")
    worse = sum(turns[-1].worse for trend in histories.trends for turns in trend.turns.values())
    summary = f"{counted(histories.count, 'record')} by {histories.order.value}, "
    summary += f"{counted(len(histories.skipped), 'file')} skipped, "
    _line(console, f"{summary}{counted(worse, 'clause')} worse since the last turn", "bold")


def _show_trend(trend: Trend, console: Console) -> None:
    about = f"{trend.trainer}, profile {trend.profile}, on {trend.device}"
    _line(console, f"{about}: {counted(len(trend.snapshots), 'record')}", "bold")
    _line(console, f"  from {trend.ends[0]} to {trend.ends[1]}")
    if not trend.turns:
        _line(console, "  no clause turned", "green")
    for turns in list(trend.turns.values())[:TURNS_SHOWN]:
        _show_turns(turns, console)
    if (more := len(trend.turns) - TURNS_SHOWN) > 0:
        _line(console, f"  … and {counted(more, 'clause')} more", "dim")
    for course in courses(trend.snapshots):
        _line(console, f"  {course.training}: {in_words(course)}")
    if trend.moving:
        console.print(_table(trend.moving[:DRIFTS_SHOWN]))
    if (more := len(trend.moving) - DRIFTS_SHOWN) > 0:
        _line(console, f"  … and {more} more numbers that moved", "dim")
    console.print()


def _show_turns(turns: tuple[Turn, ...], console: Console) -> None:
    last = turns[-1]
    line = Text.assemble("  ", (str(last.after), STYLES[last.after]), " ", (last.clause, "bold"))
    line.append(f" {last.level}, was {last.before} until {clean(since(last))}")
    if turns[1:]:
        line.append(f"; {len(turns)} turns in all", "dim")
    console.print(line, soft_wrap=True)


def _table(drifts: tuple[Drift, ...]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    table.add_column("  what was measured")
    for name in ("first", "last", "change"):
        table.add_column(name, justify="right")
    table.add_column("median")
    for drift in drifts:
        first, last = drift.spreads[0], drift.spreads[-1]
        table.add_row(
            Text(f"  {clean(drift.clause)} {clean(drift.name)}"),
            shown(first.median),
            shown(last.median),
            f"{drift.change:+.1%}",
            bars(drift.spreads),
        )
    return table


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(clean(text), style), soft_wrap=True)
