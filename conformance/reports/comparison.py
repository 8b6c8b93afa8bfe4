"""Two records compared, for people at a terminal."""

from rich.console import Console
from rich.text import Text

from conformance.records import CaseChange, ClauseChange, Comparison, Verdict

from .model import clean
from .sentence import counted

_CASES_SHOWN = 5


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print what changed; the last line sums it up."""
    for name, (before, after) in comparison.stack.items():
        _line(console, f"{name}: {before or 'none'} → {after or 'none'}", "bold")
    for clause in comparison.clauses:
        _show_clause(clause, console)
    worse = [clause for clause in comparison.clauses if clause.worse]
    binding = sum(clause.level == "MUST" for clause in worse)
    changed = len(comparison.clauses)
    style = "bold red" if binding else "bold green"
    summary = f"{counted(changed, 'clause')} changed, {len(worse)} got worse"
    _line(console, f"{summary}, {binding} of them MUST", style)


def _show_clause(clause: ClauseChange, console: Console) -> None:
    style = "red" if clause.worse else "green"
    _line(console, f"{clause.id} ({clause.level}): {_arrow(clause.before, clause.after)}", style)
    if clause.reason:
        _line(console, f"  {clause.reason}")
    ordered = sorted(clause.cases, key=lambda case: not case.worse)
    for case in ordered[:_CASES_SHOWN]:
        _line(console, f"  {case.id}: {_arrow(case.before, case.after)}{_why(case)}")
    if len(ordered) > _CASES_SHOWN:
        _line(console, f"  … and {len(ordered) - _CASES_SHOWN} more cases", "dim")


def _arrow(before: Verdict | None, after: Verdict | None) -> str:
    return f"{before or 'absent'} → {after or 'absent'}"


def _why(case: CaseChange) -> str:
    return f": {case.message.splitlines()[0]}" if case.message.strip() else ""


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(clean(text), style), soft_wrap=True)
