"""Two stacks compared, as JSON for programs and as Markdown for a pull request."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from conformance.records import (
    Cause,
    ChangeKind,
    ClauseChange,
    Comparison,
    EvidenceChange,
    write_atomically,
)

from .changes import arrow
from .comparison import by_distance, measured, timed
from .groups import cause_views
from .markdown import cause_block, escape
from .summary import counted

SCHEMA = 1
_CASES_SHOWN = 5
_MEASUREMENTS_SHOWN = 40

Sides = tuple[str, str]


def write(comparison: Comparison, sides: Sides, notes: Sequence[str], folder: Path) -> None:
    """Write ``comparison.json`` and ``comparison.md`` into a folder; raises `OSError`."""
    write_atomically(folder / "comparison.json", as_json(comparison, sides, notes))
    write_atomically(folder / "comparison.md", as_markdown(comparison, sides, notes))


def as_json(comparison: Comparison, sides: Sides, notes: Sequence[str] = ()) -> str:
    """Everything in a comparison; ``sides`` name the two stacks."""
    data = {
        "schema": SCHEMA,
        "from": sides[0],
        "to": sides[1],
        "regressed": comparison.regressed,
        "counts": comparison.counts,
        "notes": list(notes),
        "causes": [_cause_data(cause) for cause in comparison.causes],
        "stack": comparison.stack,
        "others": comparison.others,
        "timing": comparison.timing,
        "clauses": [_clause_data(clause) for clause in comparison.clauses],
        "evidence": [_evidence_data(change) for change in comparison.evidence],
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def as_markdown(comparison: Comparison, sides: Sides, notes: Sequence[str] = ()) -> str:
    """A page that says first whether anything regressed."""
    parts = [
        f"# {_headline(comparison)}",
        f"From `{sides[0]}` to `{sides[1]}`.",
        ", ".join(f"{n} {what}" for what, n in comparison.counts.items()) + " clauses.",
        *map(escape, notes),
        *(str(cause_block(cause)) for cause in cause_views(comparison.causes)),
        *(_kind(comparison, kind) for kind in ChangeKind),
        _packages(comparison),
        _evidence(comparison),
        f"Measured of the runs: {', '.join(timed(comparison))}." if timed(comparison) else "",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _headline(comparison: Comparison) -> str:
    worse = [clause for clause in comparison.clauses if clause.worse]
    if not worse:
        return "No clause got worse"
    binding = sum(clause.level == "MUST" for clause in worse)
    return f"{counted(len(worse), 'clause')} got worse, {binding} of them MUST"


def _kind(comparison: Comparison, kind: ChangeKind) -> str:
    found = [clause for clause in comparison.apart if clause.kind is kind]
    return "\n\n".join([f"## {kind.value.capitalize()}", *map(_clause, found)]) if found else ""


def _clause(clause: ClauseChange) -> str:
    lines = [f"**{escape(clause.id)}** {clause.level}: {arrow(clause)}"]
    if clause.reason:
        lines.append(f"- {escape(clause.reason)}")
    ordered = sorted(clause.cases, key=lambda case: not case.worse)
    for case in ordered[:_CASES_SHOWN]:
        first = next(iter(case.message.strip().splitlines()), "")
        why = f": {escape(first)}" if first else ""
        lines.append(f"- `{case.id}`: {arrow(case)}{why}")
    if len(ordered) > _CASES_SHOWN:
        lines.append(f"- and {counted(len(ordered) - _CASES_SHOWN, 'more case')}")
    return "\n".join(lines)


def _packages(comparison: Comparison) -> str:
    rows = [
        f"| {escape(name)} | {escape(old) or 'none'} | {escape(new) or 'none'} |"
        for name, (old, new) in {**comparison.stack, **comparison.others}.items()
    ]
    return _table("Packages that moved", ("package", "from", "to"), rows)


def _evidence(comparison: Comparison) -> str:
    moved = by_distance(comparison.evidence)
    rows = [
        f"| {escape(change.clause)} | {escape(measured(change))} |"
        for change in moved[:_MEASUREMENTS_SHOWN]
    ]
    if len(moved) > _MEASUREMENTS_SHOWN:
        rows.append(f"| and {len(moved) - _MEASUREMENTS_SHOWN} more | |")
    return _table("Evidence that moved", ("clause", "measurement"), rows)


def _table(title: str, names: Sequence[str], rows: Iterable[str]) -> str:
    lines = list(rows)
    if not lines:
        return ""
    head = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([f"## {title}", "", *head, *lines])


def _cause_data(cause: Cause) -> dict[str, Any]:
    return {
        "said": cause.said,
        "place": cause.place,
        "deviation": cause.deviation,
        "clauses": list(cause.clauses),
        "cases": [{"clause": case.clause, "id": case.id} for case in cause.cases],
        "not_judged": [{"clause": case.clause, "id": case.id} for case in cause.unjudged],
    }


def _clause_data(clause: ClauseChange) -> dict[str, Any]:
    return {**asdict(clause), "kind": clause.kind.value}


def _evidence_data(change: EvidenceChange) -> dict[str, Any]:
    return {**asdict(change), "ratio": change.ratio if isfinite(change.ratio) else None}
