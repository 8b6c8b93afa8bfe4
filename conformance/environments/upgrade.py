"""One stack against another: both built, both judged, and what changed from one to the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from conformance import __version__
from conformance.contract import load
from conformance.options import RunOptions, UsageError
from conformance.records import (
    Comparison,
    Record,
    RecordError,
    Selection,
    compare,
    read,
    write,
    write_atomically,
)
from conformance.reports.upgrade import as_json, as_markdown

from .base import Base, base
from .building import build
from .environment import Environment
from .judging import judge
from .stack import COMPANIONS, Stack

BASELINES = Path("reports") / "baselines"
_PINNED = (*COMPANIONS, "torch")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One end of an upgrade: what it is called, its record, and what to know about it."""

    name: str
    record: Record
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From one stack to another; ``before`` and ``after`` were asked for the same."""

    before: Side
    after: Side
    comparison: Comparison


def upgrade(
    before: Stack | Path | None,
    after: Stack,
    options: RunOptions,
    cache: Path | None = None,
    say: Say = lambda _: None,
) -> Upgrade:
    """Judge both stacks as ``options`` say and compare them.

    ``before`` is a stack, the path of a record, or `None` for today's: the baseline kept of the
    installed versions if there is one, else the installed environment. Writes ``from/`` and ``to/``
    (record, reports, log), ``comparison.json`` and ``comparison.md`` into the report folder; what
    is there when something goes wrong stays.

    Raises `Unresolvable` before anything is judged, `Unjudged` when a run leaves no record,
    `UsageError` when the records cannot be compared, `OSError` when a file cannot be written.
    """
    given = _given(before, options)
    old = build(before if isinstance(before, Stack) else Stack(), cache, say)
    new = build(after, cache, say)
    first = given or _judged(old, options, options.report_dir / "from", say)
    second = _judged(new, options, options.report_dir / "to", say)
    comparison = compare(first.record, second.record)
    if comparison.asked:
        raise UsageError(_unlike(first.name, comparison.asked))
    done = Upgrade(first, second, comparison)
    _write(done, options.report_dir)
    return done


def _judged(environment: Environment, options: RunOptions, folder: Path, say: Say) -> Side:
    name = str(environment.stack)
    for note in environment.notes:
        say(f"{name}: {note}")
    say(f"judging {name}")
    return Side(name, judge(environment, options.arguments(), folder), environment.notes)


def _given(before: Stack | Path | None, options: RunOptions) -> Side | None:
    """A record to start from, when there is one; it is kept beside the comparison."""
    if isinstance(before, Stack):
        return None
    if isinstance(before, Path):
        record = _narrowed(read(before), options)
        if unlike := compare(record, _like(record, options)).asked:
            raise UsageError(_unlike(str(before), unlike))
        found = Side(str(before), record)
    elif (kept := baseline(options)) is not None:
        found = Side(*kept)
    else:
        return None
    write(found.record, options.report_dir / "from")
    return found


def baseline(options: RunOptions, folder: Path = BASELINES) -> tuple[str, Record] | None:
    """The newest record kept of the installed versions that was asked for the same, with its path.

    Records that cannot be read are passed over.
    """
    under, found = base(), []
    for path in sorted(folder.glob("*.json")):
        try:
            record = _narrowed(read(path), options)
        except RecordError:
            continue
        fits = _of_base(record, under) and not compare(record, _like(record, options)).asked
        if fits:
            found.append((str(path), record))
    return max(found, key=lambda each: each[1].started, default=None)


def _of_base(record: Record, under: Base) -> bool:
    return all(record.stack.packages.get(name) == under.packages.get(name) for name in _PINNED)


def _narrowed(record: Record, options: RunOptions) -> Record:
    """The part of a whole record that a run with these options would judge."""
    if record.selection != Selection():
        return record
    wanted = {clause.id for clause in load().select(options.chapters, options.clauses)}
    return replace(
        record,
        selection=Selection(options.chapters, options.clauses),
        clauses=tuple(clause for clause in record.clauses if clause.id in wanted),
    )


def _like(record: Record, options: RunOptions) -> Record:
    """The record, had it been asked for what the options say, by this version of the suite."""
    return replace(
        record,
        suite_version=__version__,
        profile=options.profile,
        seed=options.seed,
        trainer=options.trainer,
        selection=Selection(options.chapters, options.clauses),
        fault=options.fault or "",
    )


def _unlike(name: str, asked: Mapping[str, tuple[str, str]]) -> str:
    told = (f"{what} {old or 'all'}, not {new or 'all'}" for what, (old, new) in asked.items())
    return f"{name} cannot be compared: it is of {'; '.join(told)}"


def _write(done: Upgrade, folder: Path) -> None:
    sides = (done.before.name, done.after.name)
    both = (done.before, done.after)
    notes = [f"{side.name}: {note}" for side in both for note in side.notes]
    write_atomically(folder / "comparison.json", as_json(done.comparison, sides, notes))
    write_atomically(folder / "comparison.md", as_markdown(done.comparison, sides, notes))
