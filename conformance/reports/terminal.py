"""A record for people at a terminal."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.records import Record, Verdict

from .model import ClauseView, Group, View, view
from .sentence import counted, sentence

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
_IDS_SHOWN = 4


def show(record: Record, console: Console) -> None:
    """Print the summary; its last line is the verdict."""
    seen = view(record)
    console.print(_table(seen))
    for clause in seen.alarming:
        _show_clause(clause, console)
    _show_deviations(seen, console)
    _show_declared(seen, console)
    _show_not_run(seen, console)
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


def _show_clause(clause: ClauseView, console: Console) -> None:
    title = Text.assemble(
        "\n", (str(clause.verdict), STYLES[clause.verdict]), " ", (clause.id, "bold")
    )
    console.print(title.append(f" {clause.level}", "dim"))
    _indented(clause.statement, console, "italic")
    if clause.reason:
        _indented(clause.reason, console)
    for group in clause.full_groups:
        _show_group(group, len(clause.result.cases), console)


def _show_group(group: Group, of: int, console: Console) -> None:
    count = f"{len(group.cases)} of {of} cases: {group.verdict}; first {group.example.id}"
    _indented(count, console, STYLES[group.verdict])
    _indented(group.message, console)
    if group.evidence:
        _indented(f"measured: {group.evidence}", console)
    if group.reproducer:
        console.print(Text(f"  {group.reproducer}".replace("\n", "\n  "), "cyan"), soft_wrap=True)


def _show_deviations(seen: View, console: Console) -> None:
    if seen.deviations:
        console.print(Text("\nknown deviations, with the cases that met each", "bold"))
        met = ", ".join(f"{found.id} {len(found.cases)}" for found in seen.deviations)
        _indented(met, console, STYLES[Verdict.DEVIATION])
        _indented("What each is: report.html, or `explain CLAUSE`.", console, "dim")


def _show_declared(seen: View, console: Console) -> None:
    if seen.declared:
        console.print(Text("\ndeclared by the subject, not run", "bold"))
    for reason, cases in seen.declared.items():
        _indented(f"{counted(len(cases), 'case')}: {reason}", console)


def _show_not_run(seen: View, console: Console) -> None:
    if seen.not_run:
        console.print(Text("\nnot run", "bold"))
    for reason, ids in seen.not_run.items():
        more = f", … {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
        shown = ", ".join(ids[:_IDS_SHOWN])
        _indented(f"{counted(len(ids), 'clause')}, {reason}: {shown}{more}", console, "dim")
    console.print()


def _indented(text: str, console: Console, style: str = "") -> None:
    if text:
        console.print(Padding(Text(text, style), (0, 0, 0, 2)))
