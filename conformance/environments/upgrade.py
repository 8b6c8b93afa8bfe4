"""One stack against another: both built, both judged, and what changed from one to the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from conformance import __version__, baselines
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
)

from .base import Base, base
from .building import build
from .environment import Environment
from .stack import COMPANIONS, Stack
from .suite_run import judge

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

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        return self.before.name, self.after.name

    @property
    def notes(self) -> list[str]:
        """What to know about them, one sentence each."""
        sides = (self.before, self.after)
        return [f"{side.name}: {note}" for side in sides for note in side.notes]


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
    (record, reports, log) into the report folder; what is there when something goes wrong stays.

    Raises `Unresolvable` before anything is judged, `Unjudged` when a run leaves no record,
    `UsageError` when the records cannot be compared, `OSError` when a file cannot be written.
    """
    given = _given(before, options)
    old = build(before if isinstance(before, Stack) else Stack(), cache, say)
    new = build(after, cache, say)
    first = given or _judged(old, options, options.report_dir / "from", say, "--no-scripts")
    second = _judged(new, options, options.report_dir / "to", say)
    comparison = compare(first.record, second.record)
    if comparison.asked:
        raise UsageError(_unlike(first.name, comparison.asked))
    return Upgrade(first, second, comparison)


def _judged(
    environment: Environment, options: RunOptions, folder: Path, say: Say, *more: str
) -> Side:
    name = str(environment.stack)
    for note in environment.notes:
        say(f"{name}: {note}")
    say(f"judging {name}")
    return Side(name, judge(environment, [*options.arguments(), *more], folder), environment.notes)


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


def baseline(options: RunOptions) -> tuple[str, Record] | None:
    """The Trainer's baseline with its path, if it is of the installed versions and asked the same.

    One that cannot be read is passed over.
    """
    path = baselines.place(options.trainer)
    try:
        record = _narrowed(baselines.read(path), options)
    except RecordError:
        return None
    fits = _of_base(record, base()) and not compare(record, _like(record, options)).asked
    return (str(path), record) if fits else None


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
