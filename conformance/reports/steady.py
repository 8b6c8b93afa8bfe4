"""Repetitions of a run in other surroundings, for people at a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from conformance.steady import Repetition

_SHOWN = 10  # of each repetition's cases


def show_repetitions(repetitions: "Iterable[Repetition]", console: Console) -> int:
    """One line each, with what was red or differed below it; how many were not as they should."""
    unsteady = 0
    for number, each in enumerate(repetitions, 1):
        bad = [f"red: {case}" for case in each.red] + [f"differs: {c}" for c in each.different]
        unsteady += bool(bad)
        word = "[bold red]UNSTEADY[/]" if bad else "[green]steady[/]"
        where = escape(f"{each.surroundings}: {each.cases} cases, {each.seconds:.0f} s")
        console.print(f"{word} {number}: {where}", soft_wrap=True)
        for line in bad[:_SHOWN]:
            console.print(f"  {escape(line)}", soft_wrap=True)
        if len(bad) > _SHOWN:
            console.print(f"  … and {len(bad) - _SHOWN} more")
    return unsteady
