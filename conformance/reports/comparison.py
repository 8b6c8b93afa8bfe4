"""Two records compared, for people at a terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from conformance.records import (
    CaseChange,
    ClauseChange,
    Comparison,
    EvidenceChange,
)

from .changes import arrow
from .groups import CauseView, cause_views, clean, shown
from .summary import counted

_CASES_SHOWN = 5
_MEASUREMENTS_SHOWN = 10
_TIMES = ("wall", "imports", "training", "trainings_per_second", "peak_rss_mib")


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print what changed; the last line sums it up."""
    for name, (before, after) in comparison.asked.items():
        _line(console, f"not asked for the same {name}: {before} → {after}", "bold red")
    for name, pair in comparison.stack.items():
        _line(console, f"{name}: {versions(*pair)}", "bold")
    if comparison.others:
        moved = (f"{name} {versions(*pair)}" for name, pair in comparison.others.items())
        _line(console, f"also moved: {', '.join(moved)}")
    for cause in cause_views(comparison.causes):
        _show_cause(cause, console)
    for clause in comparison.apart:
        _show_clause(clause, console)
    _show_evidence(comparison.evidence, console)
    if times := timed(comparison):
        _line(console, f"measured of the runs: {', '.join(times)}")
    worse = [clause for clause in comparison.clauses if clause.worse]
    binding = sum(clause.level == "MUST" for clause in worse)
    changed = len(comparison.clauses)
    style = "bold red" if binding else "bold green"
    _line(console, ", ".join(f"{n} {what}" for what, n in comparison.counts.items()))
    summary = f"{counted(changed, 'clause')} changed, {len(worse)} got worse"
    _line(console, f"{summary}, {binding} of them MUST", style)


def timed(comparison: Comparison) -> list[str]:
    """What either run measured of itself, in words."""
    found = [(name, comparison.timing.get(name)) for name in _TIMES]
    return [f"{name.replace('_', ' ')} {pair[0]:g} → {pair[1]:g}" for name, pair in found if pair]


def measured(change: EvidenceChange) -> str:
    """How far a measurement moved, in words."""
    return (
        f"{change.name} moved in {change.moved} of {counted(change.compared, 'case')}, "
        f"most from {shown(change.before)} to {shown(change.after)} in {change.case}"
    )


def by_distance(evidence: Iterable[EvidenceChange]) -> list[EvidenceChange]:
    """The same, what moved most first."""
    return sorted(evidence, key=lambda change: -change.ratio)


def _show_evidence(evidence: tuple[EvidenceChange, ...], console: Console) -> None:
    for change in by_distance(evidence)[:_MEASUREMENTS_SHOWN]:
        _line(console, f"{change.clause}: {measured(change)}", "dim")
    if len(evidence) > _MEASUREMENTS_SHOWN:
        more = len(evidence) - _MEASUREMENTS_SHOWN
        _line(console, f"… and {counted(more, 'more measurement')} moved", "dim")


def _show_cause(cause: CauseView, console: Console) -> None:
    """What several clauses got worse of, once, and then which these are."""
    _line(console, f"{cause.name} of what got worse: {cause.count}", "bold red")
    where = f" in {cause.place}" if cause.place else ""
    _line(console, f"  {cause.said}{where}")
    if cause.known:
        _line(console, f"  it looks like {cause.known}")
    for label, text in (
        ("smallest", cause.example.id),
        ("script", cause.stand_alone),
        ("run again", cause.reproducer),
    ):
        if text:
            _line(console, f"  {label}: {text}")
    for chapter, clauses in cause.chapters.items():
        _line(console, f"  {chapter}: {', '.join(clauses)}", "red")
    if cause.unjudged:
        _line(console, f"  not judged for it: {', '.join(cause.unjudged)}")


def _show_clause(clause: ClauseChange, console: Console) -> None:
    style = "red" if clause.worse else "green"
    told = f"{clause.kind}: {clause.id} ({clause.level})"
    _line(console, f"{told}: {arrow(clause)}", style)
    if clause.reason:
        _line(console, f"  {clause.reason}")
    ordered = sorted(clause.cases, key=lambda case: not case.worse)
    for case in ordered[:_CASES_SHOWN]:
        _line(console, f"  {case.id}: {arrow(case)}{_why(case)}")
    if len(ordered) > _CASES_SHOWN:
        _line(console, f"  … and {len(ordered) - _CASES_SHOWN} more cases", "dim")


def versions(before: str, after: str) -> str:
    """From one version to the other, in words."""
    return f"{before or 'none'} → {after or 'none'}"


def _why(case: CaseChange) -> str:
    return f": {case.message.splitlines()[0]}" if case.message.strip() else ""


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(clean(text), style), soft_wrap=True)
