"""What went wrong as annotations of GitHub Actions.

The format of a workflow command is described at
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands, and how it is
escaped in ``command.ts`` of https://github.com/actions/toolkit.
"""

from conformance.baselines import BaselineChanges
from conformance.contract import load, tested
from conformance.records import Record, Verdict

from .groups import CauseView, clean
from .model import ClauseView, view
from .since_baseline import since, since_any
from .summary import counted, sentence

AT_MOST = 10
"""GitHub shows no more annotations of one kind from one step."""

FOLDER = "conformance/suite"
_LONGEST = 4000


def annotations(record: Record, changes: BaselineChanges | None = None) -> str:
    """One line for each of the worst clauses, and a notice with the sentence.

    ``changes`` are those since the baseline.
    """
    tests = tested(load())
    seen = view(record)
    gating = {clause.id for clause in seen.alarming if _kind(clause, record) == "error"}
    lines: list[str] = []
    for kind in ("error", "warning"):
        told = [
            (cause.found.clauses, _cause(kind, cause, changes))
            for cause in seen.causes
            if gating.isdisjoint(cause.found.clauses) == (kind == "warning")
        ]
        told += [
            ((clause.id,), _clause(kind, clause, tests.get(clause.id, ()), changes))
            for clause in seen.apart
            if (clause.id in gating) == (kind == "error")
        ]
        shown = told if len(told) <= AT_MOST else told[: AT_MOST - 1]
        lines += [line for _, line in shown]
        if left := told[len(shown) :]:
            named = [name for names, _ in left for name in names]
            lines.append(command(kind, f"{counted(len(named), 'clause')} more: {', '.join(named)}"))
    lines.append(command("notice", sentence(record), title="peft-conformance"))
    return "\n".join(lines) + "\n"


def command(kind: str, message: str, **properties: str) -> str:
    """A workflow command on one line, whatever message and properties hold."""
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{kind}{' ' * bool(given)}{given}::{_data(clean(message)[:_LONGEST])}"


def _clause(
    kind: str, clause: ClauseView, tests: tuple[str, ...], changes: BaselineChanges | None
) -> str:
    file = _file(clause, tests)
    title = f"{clause.verdict}: {clause.id} ({clause.level})"
    return command(kind, _message(clause, changes), file=file, title=title)


def _cause(kind: str, cause: CauseView, changes: BaselineChanges | None) -> str:
    """What several clauses fail of; their names come first, since a long text is cut off."""
    parts = [f"{cause.said} {cause.place}".strip(), ", ".join(cause.found.clauses)]
    parts += [since_any(cause.found.clauses, changes)]
    parts += [f"first {cause.example.id}:", cause.reproducer, cause.stand_alone]
    title = f"{cause.verdict}: {cause.name}, {cause.count}"
    return command(kind, "\n".join(filter(None, parts)), title=title)


def _file(clause: ClauseView, tests: tuple[str, ...]) -> str:
    """Where the test of the first failing case is, or else the clause's first test; or nothing."""
    judged_by = [group.example.id.split("[")[0] for group in clause.own_groups[:1]]
    files = {name: file for file, name in (test.split("::") for test in reversed(tests))}
    named = [files[name] for name in judged_by if name in files] or [*reversed(files.values())]
    return f"{FOLDER}/{named[0]}" if named else ""


def _message(clause: ClauseView, changes: BaselineChanges | None) -> str:
    parts = [" ".join(clause.statement.split()), clause.reason]
    parts += [since(clause.id, changes)] if clause.verdict.broken else []
    for group in clause.own_groups[:1]:
        of = len(clause.result.cases)
        parts += [f"{len(group.cases)} of {of} cases, first {group.example.id}:", group.message]
        parts += [f"measured: {group.evidence}" if group.evidence else "", group.reproducer]
        parts += [group.stand_alone]
    return "\n".join(filter(None, parts))


def _kind(clause: ClauseView, record: Record) -> str:
    gates = record.unexpected(clause.result) or clause.verdict is Verdict.ERROR
    return "error" if gates else "warning"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(clean(text)).replace(":", "%3A").replace(",", "%2C")
