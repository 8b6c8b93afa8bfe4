"""A record as Markdown, for a pull request's comment or a job's summary."""

from collections.abc import Iterator

from conformance.baselines import BaselineChanges
from conformance.records import Record

from .groups import CauseView, Group
from .markdown_blocks import (
    COMMENT,
    Block,
    escape,
    fenced,
    fit,
    listed,
    paragraph,
    shortened,
    table,
)
from .model import ClauseView, View, view
from .since_baseline import since, since_any, summed_up
from .summary import counted, grounds, headline

__all__ = ["escape", "markdown"]


def markdown(record: Record, limit: int = COMMENT, changes: BaselineChanges | None = None) -> str:
    """The record as GitHub Flavored Markdown, in no more than ``limit`` bytes.

    ``changes`` are those since the baseline.
    The dialect is https://github.github.com/gfm/.
    """
    return fit(_blocks(record, changes), limit, "record.json and report.html hold everything.")


def _blocks(record: Record, changes: BaselineChanges | None) -> Iterator[Block]:
    seen = view(record)
    yield paragraph(f"# {headline(record)}", escape(grounds(record)), _stack(record))
    yield paragraph(*map(escape, summed_up(changes)))
    yield _table(seen)
    for cause in seen.causes:
        yield cause_block(cause, since_any(cause.found.clauses, changes))
    for clause in seen.apart:
        yield from _clause(clause, since(clause.id, changes))
    yield _deviations(seen)
    yield _declared(seen)
    yield _not_run(seen)


def _stack(record: Record) -> str:
    packages = (f"{name} {version}" for name, version in record.stack.packages.items())
    about = (f"Python {record.stack.python}", record.stack.platform, record.stack.device)
    asked = f"Profile {record.profile}, seed {record.seed}, {record.trainer}"
    if record.fault:
        asked += f", with the planted fault {record.fault}"
    return escape(f"{asked} on {', '.join((*packages, *about))}")


def _table(seen: View) -> Block:
    rows = [
        [escape(chapter.name), *(str(chapter.counts.get(each, "")) for each in seen.verdicts)]
        for chapter in seen.chapters
    ]
    return table(["chapter", *map(str, seen.verdicts)], rows)


def cause_block(cause: CauseView, held: str = "") -> Block:
    """What several clauses fail of, since when, and then these, a line for each chapter."""
    where = f" in {escape(cause.place)}" if cause.place else ""
    top = paragraph(
        f"## {cause.verdict}: {cause.name}, {cause.count}",
        f"{escape(cause.said)}{where}",
        escape(f"It looks like {cause.known}") if cause.known else "",
        escape(f"Since: {held}") if held else "",
        *_example(cause),
        "",
    )
    rows = (
        f"- {escape(chapter)}: {escape(', '.join(clauses))}"
        for chapter, clauses in cause.chapters.items()
    )
    kept = [f"- not judged for it: {escape(', '.join(cause.unjudged))}"] if cause.unjudged else []
    return Block((*top.head, ""), (*rows, *kept))


def _clause(clause: ClauseView, held: str) -> Iterator[Block]:
    """The clause with its first group of cases, then each further group."""
    total = len(clause.result.cases)
    groups = [_group(group, total) for group in clause.own_groups]
    title = f"## {clause.verdict}: {escape(clause.id)} ({clause.level})"
    also = f"Besides, {clause.shared}" if clause.shared else ""
    said = escape(f"Since: {held}") if held and clause.verdict.broken else ""
    yield paragraph(title, clause.statement, escape(clause.reason), also, said, *groups[:1])
    yield from map(paragraph, groups[1:])


def _group(group: Group, of: int) -> str:
    count = f"{len(group.cases)} of {of} cases: {group.verdict}; first {group.example.id}"
    measured = escape(f"Measured: {group.evidence}") if group.evidence else ""
    fence, *rest = _example(group)
    return "\n\n".join(filter(None, [escape(count), fence, measured, *rest]))


def _example(group: Group) -> list[str]:
    """What one of the cases says, and what shows it again."""
    return [
        fenced(shortened(group.message)),
        fenced(group.reproducer),
        escape(f"Stand-alone script: {group.stand_alone}") if group.stand_alone else "",
    ]


def _deviations(seen: View) -> Block:
    return listed(
        "Known deviations",
        (
            escape(
                f"{found.id}: {found.summary} "
                f"({counted(len(found.cases), 'case')}; {', '.join(found.clauses)})"
            )
            for found in seen.deviations
        ),
    )


def _declared(seen: View) -> Block:
    return listed(
        "Declared by the subject, not run",
        (
            f"{counted(len(cases), 'case')}: {escape(reason)}"
            for reason, cases in seen.declared.items()
        ),
    )


def _not_run(seen: View) -> Block:
    return listed(
        "Not run",
        (
            f"{counted(len(ids), 'clause')}, {escape(reason)}: {escape(', '.join(ids))}"
            for reason, ids in seen.not_run.items()
        ),
    )
