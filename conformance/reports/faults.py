"""Planted faults and what became of them, for people at a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from conformance.faults import Fault

if TYPE_CHECKING:
    from conformance.faults.running import Outcome


def show_faults(faults: Iterable[Fault], console: Console) -> None:
    """One line each: name, clause, story."""
    for fault in faults:
        title = Text.assemble((fault.name, "bold"), f" ({fault.clause}): ", (fault.story, "dim"))
        console.print(title, soft_wrap=True)


def show_outcomes(outcomes: "Iterable[Outcome]", console: Console) -> int:
    """One line an outcome as it comes, and a sum; returns how many faults survived."""
    killed = survived = 0
    for outcome in outcomes:
        killed += outcome.killed
        survived += not outcome.killed
        word = ("caught  ", "green") if outcome.killed else ("SURVIVED", "bold red")
        line = Text.assemble(word, f" {outcome.fault.name} ", (outcome.fault.clause, "bold"))
        headline = (outcome.message.splitlines() or [""])[0]
        line.append(f" {outcome.failed} of {outcome.cases} cases: {headline}", "dim")
        console.print(line, soft_wrap=True)
    console.print(f"{killed} of {killed + survived} faults caught")
    return survived
