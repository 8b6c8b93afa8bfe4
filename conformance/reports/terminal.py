"""A record for people at a terminal: in full what is red, in a sentence what is not."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.baselines import BaselineChanges
from conformance.records import Record, Verdict

from .groups import CauseView, Group
from .model import ClauseView, View, view
from .since_baseline import compared, since, since_any, summed_up
from .summary import brief, counted, first, sentence
from .tried import tried_in_all

STYLES = {
    Verdict.ERROR: "bold magenta",
    Verdict.CRASH: "bold red",
    Verdict.TIMEOUT: "bold red",
    Verdict.FAIL: "bold red",
    Verdict.FIXED: "cyan",
    Verdict.DEVIATION: "yellow",
    Verdict.PASS: "green",
    Verdict.NOT_RUN: "dim",
}
_LABEL = 12  # columns of a label


def show(
    record: Record,
    console: Console,
    changes: BaselineChanges | None = None,
    folder: Path | None = None,
    *,
    verbose: bool = False,
) -> None:
    """Print the summary; its last line is the verdict, the only one where nothing needs a look.

    ``changes`` are those since the baseline, ``folder`` is where the record and its scripts lie.
    With ``verbose``, what is well takes more lines than that.
    """
    seen = view(record)
    if not (seen.alarming or record.exit_status or verbose):
        line = " · ".join(_in_a_line(seen, changes, folder or Path()))
        console.print(Text(line, style="bold green"), soft_wrap=True)
        return
    if seen.alarming:
        console.print(_table(seen))
    for cause in seen.causes:
        _show_cause(cause, console, changes, folder or Path())
    for clause in seen.apart:
        _show_clause(clause, console, changes, folder or Path())
    _show_deviations(seen, console)
    _show_declared(seen, console)
    _show_not_run(seen, console)
    _show_tried(record, console)
    _show_changes(changes, console)
    style = {0: "bold green", 1: "bold red"}.get(record.exit_status, "bold magenta")
    console.print(Text(sentence(record), style=style), soft_wrap=True)


def _table(seen: View) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("chapter")
    for verdict in seen.verdicts:
        table.add_column(str(verdict), justify="right", style=STYLES[verdict])
    for chapter in seen.chapters:
        counts = (str(chapter.counts.get(verdict, "")) for verdict in seen.verdicts)
        table.add_row(chapter.name, *counts)
    return table


# ---- what is red ----------------------------------------------------------------------------


def _show_clause(
    clause: ClauseView, console: Console, changes: BaselineChanges | None, folder: Path
) -> None:
    title = Text.assemble(
        "\n", (str(clause.verdict), STYLES[clause.verdict]), " ", (clause.id, "bold")
    )
    console.print(title.append(f" {clause.level}", "dim"))
    _labelled("documented", clause.statement, console, "italic")
    _labelled("reason", clause.reason, console)
    for group in clause.own_groups:
        _show_group(group, len(clause.result.cases), console, folder)
    _labelled("and", clause.shared, console)
    if clause.verdict.broken:
        _labelled("since", since(clause.id, changes), console, "bold")


def _show_cause(
    cause: CauseView, console: Console, changes: BaselineChanges | None, folder: Path
) -> None:
    """What several clauses fail of, once, and then which these are."""
    style = STYLES[cause.verdict]
    title = Text.assemble("\n", (str(cause.verdict), style), " ", (cause.name, "bold"))
    console.print(title.append(f" {cause.count}", style))
    _labelled("raised", cause.said, console)
    _labelled("in", cause.place, console)
    _labelled("looks like", cause.known, console)
    _show_example(cause, console, folder)
    _labelled("clauses", "\n".join(map(", ".join, cause.chapters.values())), console)
    _labelled("not judged", first(cause.unjudged), console)
    _labelled("since", since_any(cause.found.clauses, changes), console, "bold")


def _show_group(group: Group, of: int, console: Console, folder: Path) -> None:
    style = STYLES[group.verdict]
    _labelled(str(group.verdict), f"{len(group.cases)} of {of} cases", console, style)
    _labelled("measured", _untraced(group.message), console)
    _labelled("evidence", group.evidence, console)
    _show_example(group, console, folder)


def _show_example(group: Group, console: Console, folder: Path) -> None:
    _copied("smallest", group.example.id, console)
    _copied("script", _script(group, folder), console, "cyan")
    _copied("run again", group.reproducer, console, "cyan")


def _untraced(message: str) -> str:
    """The message without the traceback of what the libraries raised, which other reports show."""
    return message.partition("\nTraceback (most recent call last)")[0]


def _script(group: Group, folder: Path) -> str:
    return f"{folder / group.script}: {group.reproduced}" if group.script else group.reproduced


# ---- what is not ----------------------------------------------------------------------------


def _in_a_line(seen: View, changes: BaselineChanges | None, folder: Path) -> Iterator[str]:
    """All there is to say where all is well."""
    yield from brief(seen.record)
    if declared := sum(map(len, seen.declared.values())):
        yield f"{counted(declared, 'case')} not run as the subject declares"
    if changes:
        yield compared(changes)
    if (page := folder / "report.html").is_file():
        yield str(page)


def _show_deviations(seen: View, console: Console) -> None:
    if not seen.deviations:
        return
    met = [f"{found.id} {len(found.cases)}" for found in seen.deviations]
    how = f"{counted(len(met), 'known deviation')}, with the cases that met each"
    where = " (what each is: report.html, or `explain CLAUSE`)"
    console.print(Text(f"{how}: {first(met)}{where}", STYLES[Verdict.DEVIATION]))


def _show_declared(seen: View, console: Console) -> None:
    for reason, cases in seen.declared.items():
        number = counted(len(cases), "case")
        console.print(Text(f"declared by the subject, not run: {number}: {reason}"))


def _show_not_run(seen: View, console: Console) -> None:
    for reason, ids in seen.not_run.items():
        console.print(Text(f"not run, {reason}: {first(ids)}", "dim"))


def _show_tried(record: Record, console: Console) -> None:
    if record.tried:
        told = f"hurt on purpose {tried_in_all(record)} (what got which: report.html)"
        console.print(Text(told, "dim"))


def _show_changes(changes: BaselineChanges | None, console: Console) -> None:
    """What differs from the baseline, in two lines at most."""
    if changes is None:
        return
    changed = changes.fixed or changes.lost
    style = "bold red" if changes.regressed else "cyan" if changed else "dim"
    for line in summed_up(changes):
        console.print(Text(line, style), soft_wrap=True)


def _labelled(label: str, text: str, console: Console, style: str = "") -> None:
    """A word in a narrow column, and what it is about beside it."""
    if text:
        shown = Table.grid()
        shown.add_column(width=_LABEL, style="dim")
        shown.add_column()
        shown.add_row(label, Text(text, style))
        console.print(Padding(shown, (0, 0, 0, 2)))


def _copied(label: str, text: str, console: Console, style: str = "") -> None:
    """The same for what is to be copied: never broken into lines of its own."""
    if text:
        indented = text.replace("\n", "\n  ")
        named = (f"  {label:<{_LABEL}}", "dim")
        console.print(Text.assemble(named, (indented, style)), soft_wrap=True)
