"""A record as Markdown, for a pull request's comment or a job's summary."""

import re

from conformance.records import Record

from .model import ClauseView, Group, View, view
from .sentence import counted, grounds, headline

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def markdown(record: Record) -> str:
    """The record as GitHub Flavored Markdown (https://github.github.com/gfm/)."""
    seen = view(record)
    parts = [
        f"# {headline(record)}",
        escape(grounds(record)),
        _stack(record),
        _table(seen),
        *map(_clause, seen.alarming),
        _deviations(seen),
        _declared(seen),
        _not_run(seen),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def escape(text: str) -> str:
    """``text`` on one line, such that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _stack(record: Record) -> str:
    packages = (f"{name} {version}" for name, version in record.stack.packages.items())
    about = (f"Python {record.stack.python}", record.stack.platform, record.stack.device)
    asked = f"Profile {record.profile}, seed {record.seed}, {record.trainer}"
    if record.fault:
        asked += f", with the planted fault {record.fault}"
    return escape(f"{asked} on {', '.join((*packages, *about))}")


def _table(seen: View) -> str:
    rows = [["chapter", *map(str, seen.verdicts)], ["---", *("--:" for _ in seen.verdicts)]]
    for chapter in seen.chapters:
        counts = (str(chapter.counts.get(verdict, "")) for verdict in seen.verdicts)
        rows.append([escape(chapter.name), *counts])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _clause(clause: ClauseView) -> str:
    parts = [
        f"## {clause.verdict}: {escape(clause.id)} ({clause.level})",
        clause.statement,
        escape(clause.reason),
        *(_group(group, len(clause.result.cases)) for group in clause.full_groups),
    ]
    return "\n\n".join(filter(None, parts))


def _group(group: Group, of: int) -> str:
    count = f"{len(group.cases)} of {of} cases: {group.verdict}; first {group.example.id}"
    parts = [
        escape(count),
        _fenced(group.message),
        escape(f"Measured: {group.evidence}") if group.evidence else "",
        _fenced(group.reproducer),
    ]
    return "\n\n".join(filter(None, parts))


def _deviations(seen: View) -> str:
    lines = [
        escape(
            f"{found.id}: {found.summary} "
            f"({counted(len(found.cases), 'case')}; {', '.join(found.clauses)})"
        )
        for found in seen.deviations
    ]
    return _listed("Known deviations", lines)


def _declared(seen: View) -> str:
    lines = [
        f"{counted(len(cases), 'case')}: {escape(reason)}"
        for reason, cases in seen.declared.items()
    ]
    return _listed("Declared by the subject, not run", lines)


def _not_run(seen: View) -> str:
    lines = [
        f"{counted(len(ids), 'clause')}, {escape(reason)}: {escape(', '.join(ids))}"
        for reason, ids in seen.not_run.items()
    ]
    return _listed("Not run", lines)


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)]) if lines else ""


def _fenced(text: str) -> str:
    if not text:
        return ""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
