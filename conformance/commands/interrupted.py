"""What an interrupted command says: what is known so far, where it is kept, how to go on."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import typer

from conformance.leaving import heeding_signals, leaving_nothing
from conformance.options import RunOptions
from conformance.records import JOURNAL, Case, RecordError, Verdict, left_in
from conformance.redacting import redacted

_SHOWN = 8  # clauses named at most
_PROGRAM = "peft-conformance"
T = TypeVar("T")


@contextmanager
def telling(known: Callable[[], str]) -> Iterator[None]:
    """Leave nothing of what goes on inside behind; where it is interrupted, say so and exit.

    ``known`` gives what follows "interrupted", with the space or the colon before it.
    """
    with heeding_signals():
        try:
            with leaving_nothing():
                yield
        except KeyboardInterrupt as interrupt:
            by = f" by {interrupt}" if str(interrupt) else ""
            typer.echo(redacted(f"{_PROGRAM}: interrupted{by}{known()}"), err=True)
            raise typer.Exit(getattr(interrupt, "status", 130)) from None


def kept_in(done: list[T], each_as_it_comes: Iterable[T]) -> Iterator[T]:
    """The same, and what has come is in ``done``."""
    for each in each_as_it_comes:
        done.append(each)
        yield each


class SoFar:
    """What runs that began after this have found in some folders."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.began = datetime.now(timezone.utc).isoformat(timespec="seconds")

    def __call__(self) -> str:
        """What follows "interrupted"."""
        found = [said for folder in self.folders if (said := self._of(folder))]
        return f": {'; '.join(found)}" if found else " before anything was judged"

    def _of(self, folder: Path) -> str:
        try:
            header, cases = left_in(folder)
        except RecordError:
            return ""
        if header.started < self.began:
            return ""  # of an earlier day
        return f"{'all' if header.complete else 'the first'} {_counted(cases)} kept in {folder}"


def so_far(options: RunOptions) -> str:
    """A few lines on the run in the report folder of ``options``, which has just ended."""
    try:
        header, cases = left_in(options.report_dir)
    except RecordError:
        return " before anything was judged"
    if header.complete:
        what = "all cases are judged and recorded, reports and scripts are not all written"
        return f": {what}; to write them:\n  {_again(options)}"
    kept = options.report_dir / JOURNAL
    lines = [f" after {_counted(cases)}", *_failing(cases)]
    lines += [f"kept in {kept}; to judge what is missing:", f"  {_again(options)}"]
    return "\n".join(lines)


def _counted(cases: tuple[Case, ...]) -> str:
    found = Counter(case.verdict for case in cases)
    counts = ", ".join(f"{found[verdict]} {verdict}" for verdict in Verdict if found[verdict])
    return f"{len(cases)} case{'s' * (len(cases) != 1)}{f': {counts}' if counts else ''}"


def _failing(cases: tuple[Case, ...]) -> list[str]:
    failing = Counter(case.clause for case in cases if case.verdict.broken)
    if not failing:
        return []
    named = ", ".join(f"{clause} ({count})" for clause, count in failing.most_common(_SHOWN))
    more = f", … {len(failing) - _SHOWN} more" if len(failing) > _SHOWN else ""
    return [f"failing so far: {named}{more}"]


def _again(options: RunOptions) -> str:
    command, given = ("gpu", _of_gpu(options)) if options.measure else ("run", options.arguments())
    given += ["--report-dir", str(options.report_dir)]
    return f"{_PROGRAM} {command} --resume {shlex.join(given)}"


def _of_gpu(options: RunOptions) -> list[str]:
    """What asks ``gpu`` for the same: it has fewer options, and its own names of profiles."""
    given = ["--profile", "full" if options.profile == "full" else "quick"]
    given += ["--device", options.device]
    given += [part for name in options.chapters for part in ("--chapter", name)]
    given += [part for name in options.clauses for part in ("--clause", name)]
    return [*given, *(["--workers", str(options.workers)] if options.workers else [])]
