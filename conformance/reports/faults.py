"""Planted faults and what became of them, for people at a terminal."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from conformance.faults import Fault

if TYPE_CHECKING:
    from conformance.controls.matrix import Matrix
    from conformance.controls.outcome import Outcome


def show_faults(faults: Iterable[Fault], console: Console) -> None:
    """One line each: name, clause, story."""
    for fault in faults:
        title = Text.assemble((fault.name, "bold"), f" ({fault.clause}): ", (fault.story, "dim"))
        console.print(title, soft_wrap=True)


def show_outcomes(outcomes: "Iterable[tuple[Outcome, bool]]", console: Console) -> int:
    """One line an outcome as it comes, those known from before in a sum; how many are wrong."""
    kinds: Counter[str] = Counter()
    known = wrong = 0
    for outcome, remembered in outcomes:
        kinds[outcome.kind.value] += 1
        known += remembered
        wrong += outcome.kind.wrong
        if not remembered:
            console.print(_line(outcome), soft_wrap=True)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    before = f" ({known} known from before, nothing they depend on has changed)" if known else ""
    console.print(f"{kinds.total()} faults: {listed or 'none'}{before}")
    return wrong


def show_unproven(clauses: Iterable[str], console: Console) -> None:
    """The MUST clauses that no fault turned red, if there are any."""
    for name in clauses:
        console.print(f"[bold red]unproven[/] {name}: no fault turns this MUST clause red")


def show_matrix(matrix: "Matrix", console: Console) -> None:
    """Which other clauses each fault turned red, and the clauses that no fault tells apart."""
    console.print("\n[bold]also red with a fault[/]")
    for row in matrix.rows:
        others = ", ".join(row.others) or "-"
        line = Text.assemble((row.fault, "bold"), f" ({row.clause}): ", others)
        console.print(line, soft_wrap=True)
    console.print("\n[bold]never red without[/]")
    for clause, always in matrix.shadowed.items():
        console.print(Text.assemble((clause, "bold"), f": {', '.join(always)}"), soft_wrap=True)


def _line(outcome: "Outcome") -> Text:
    style = "bold red" if outcome.kind.wrong else "green"
    word = outcome.kind.value.upper() if outcome.kind.wrong else outcome.kind.value
    line = Text.assemble((f"{word:10}", style), f" {outcome.fault} ", (outcome.clause, "bold"))
    counted = f"{outcome.judged} case{'s' * (outcome.judged != 1)}"
    cut = f"; the matrix ended early: {outcome.cut}" if outcome.cut else ""
    return line.append(f" {counted}, {outcome.seconds:.1f} s: {outcome.message}{cut}", "dim")
