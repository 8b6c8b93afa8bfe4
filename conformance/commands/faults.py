"""The command ``faults``: parse, call, print."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conformance.leaving import alone_in

from .arguments import Chapters
from .interrupted import telling
from .printing import print_

if TYPE_CHECKING:
    from conformance.controls.outcome import Outcome


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
    app.command("faults")(faults)


def faults(
    names: Annotated[list[str] | None, typer.Argument(help="Only these faults.")] = None,
    *,
    chapters: Chapters = None,
    only_list: Annotated[bool, typer.Option("--list", help="Name them, plant nothing.")] = False,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Also see which other clauses turn red.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Plant those too that nothing has changed for.")
    ] = False,
    cold: Annotated[
        bool, typer.Option("--cold", help="Plant each in a new process; slow, works everywhere.")
    ] = False,
    report_dir: Annotated[Path, typer.Option(help="Where faults.json goes.")] = Path("reports"),
    at_once: Annotated[int, typer.Option(help="How many run beside each other.")] = 2,
) -> None:
    """Plant deliberate defects one at a time; exits 1 when a clause does not catch its own."""
    from conformance.faults.selecting import select
    from conformance.reports.faults import show_faults

    chosen = select(names or (), chapters or ())
    if only_list:
        print_(lambda console: show_faults(chosen, console))
        return
    from rich.console import Console

    from .proving import prove, way

    how = way(matrix=matrix, again=again, cold=cold, at_once=at_once)
    scope = None if names else tuple(chapters or ())
    found: list[tuple[Outcome, bool]] = []
    with alone_in(report_dir), telling(lambda: _so_far(found, len(chosen), report_dir)):
        proven = prove(chosen, scope, how, report_dir, Console(highlight=False), found=found)
    raise typer.Exit(int(not proven))


def _so_far(found: "Iterable[tuple[Outcome, bool]]", count: int, folder: Path) -> str:
    """What follows "interrupted"."""
    kinds = Counter(outcome.kind.value for outcome, _ in found)
    listed = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    known = f" after {kinds.total()} of {count} faults{f': {listed}' if listed else ''}"
    return f"{known}; kept in {folder}, the same command plants the rest"
