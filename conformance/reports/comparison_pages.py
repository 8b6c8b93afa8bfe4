"""Two records compared, as Markdown and as a page."""

from collections.abc import Iterator

from conformance.records import ChangeKind

from .changes import ORDER, ChangedClause, Changes, arrow
from .groups import cause_views
from .markdown import cause_block
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
from .pages import page
from .summary import counted, sentence

_CASES_SHOWN = 3


def comparison_html(changes: Changes) -> str:
    """The comparison as one HTML file that needs nothing else."""
    return page(
        "comparison.html.j2",
        changes=changes,
        causes=cause_views(changes.comparison.causes),
        told={clause.id for clause in changes.comparison.clauses}
        - {clause.id for clause in changes.comparison.apart},
        moved=changes.counts,
        chapters=tuple(dict.fromkeys(each.chapter for each in changes.clauses)),
        levels=tuple(dict.fromkeys(each.change.level for each in changes.clauses)),
        sides={"before": changes.before, "after": changes.after},
        sentence=sentence,
        arrow=arrow,
    )


def comparison_markdown(changes: Changes, limit: int = COMMENT) -> str:
    """The comparison as GitHub Flavored Markdown, in no more than ``limit`` bytes."""
    return fit(_blocks(changes), limit, "`compare --format html` shows everything.")


def _blocks(changes: Changes) -> Iterator[Block]:
    counts = {**changes.counts, "unchanged": changes.unchanged}
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    sides = [f"Before: {sentence(changes.before)}", f"After: {sentence(changes.after)}"]
    yield paragraph(f"# {changes.headline}", f"Clauses: {summary}", *map(escape, sides))
    if changes.comparison.stack:
        moved = changes.comparison.stack.items()
        rows = (
            [escape(name), escape(old) or "none", escape(new) or "none"]
            for name, (old, new) in moved
        )
        yield table(["what moved", "before", "after"], rows)
    else:
        yield paragraph("Nothing in the stack moved.")
    yield from map(cause_block, cause_views(changes.comparison.causes))
    apart = {clause.id for clause in changes.comparison.apart}
    for kind in ORDER:
        found = [e for e in changes.clauses if e.kind is kind and e.change.id in apart]
        if kind is ChangeKind.REGRESSED:
            for clause in found:
                yield _clause(clause)
        else:
            yield listed(str(kind), map(_line, found))


def _clause(clause: ChangedClause) -> Block:
    change = clause.change
    parts = [f"## {clause.kind}: {escape(change.id)} ({change.level}): {arrow(change)}"]
    parts += [clause.statement, escape(clause.reason)]
    for kind, cases in clause.cases.items():
        parts.append(f"{counted(len(cases), 'case')} {kind}")
        for case in cases[:_CASES_SHOWN]:
            parts.append(f"{escape(case.id)}: {arrow(case)}")
            parts.append(fenced(shortened(case.message)) if case.worse else "")
    return paragraph(*parts)


def _line(clause: ChangedClause) -> str:
    cases = ", ".join(f"{len(of)} {kind}" for kind, of in clause.cases.items())
    tail = f"; cases: {cases}" if cases else ""
    return f"{escape(clause.change.id)} ({clause.change.level}): {arrow(clause.change)}{tail}"
