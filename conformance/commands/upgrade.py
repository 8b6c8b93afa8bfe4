"""The commands about stacks: parse, call, print."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from conformance.leaving import alone_in
from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated

from .arguments import Cache, Chapters, Clauses, Profile, Seed, Trainer, Workers
from .interrupted import SoFar, telling
from .printing import say

if TYPE_CHECKING:
    from conformance.environments import Stack
    from conformance.environments.upgrade import Upgrade

STACK = "A requirement, 'latest', 'pre', git+https://… or a wheel; several may follow."


class StacksCommand(TyperCommand):
    """Takes all that follows ``--from`` or ``--to``, up to the next option, as its values."""

    several = ("--from", "--to")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values."""
        return super().parse_args(ctx, list(self._repeated(args)))

    def _repeated(self, args: list[str]) -> Iterator[str]:
        option, taken = "", False
        for arg in args:
            if arg.startswith("--"):
                option, taken = arg if arg in self.several else "", False
                yield arg
            else:
                yield from ((option, arg) if option and taken else (arg,))
                taken = True


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the program."""
    app.command("upgrade", cls=StacksCommand)(upgrade)


def upgrade(
    *,
    to: Annotated[list[str], typer.Option("--to", help=STACK)],
    since: Annotated[
        list[str] | None,
        typer.Option("--from", help=f"{STACK} Or a record; by default what is installed."),
    ] = None,
    chapters: Chapters = None,
    clauses: Clauses = None,
    profile: Profile = "quick",
    trainer: Trainer = DEFAULT_TRAINER,
    workers: Workers = None,
    seed: Seed = 0,
    report_dir: Annotated[Path, typer.Option(help="Where records and comparison go.")] = Path(
        "reports/upgrade"
    ),
    cache: Cache = None,
) -> None:
    """Judge two stacks of versions and compare them; exits 1 when a MUST clause got worse."""
    from conformance.environments import Stack

    before, after = _start(since or []), Stack.of(to)
    options = validated(
        RunOptions(
            profile=profile,
            chapters=tuple(chapters or ()),
            clauses=tuple(clauses or ()),
            trainer=trainer,
            workers=workers,
            seed=seed,
            report_dir=report_dir,
        )
    )
    known = SoFar(report_dir / "from", report_dir / "to")
    with alone_in(report_dir), telling(known):
        done = _compared(before, after, options, cache)
    typer.echo(f"{report_dir}: from/, to/, comparison.json, comparison.md")
    if not (done.before.record.judged_anything or done.after.record.judged_anything):
        raise UsageError("nothing was judged on either side")
    raise typer.Exit(int(done.comparison.regressed))


def _compared(
    before: "Stack | Path | None", after: "Stack", options: RunOptions, cache: Path | None
) -> "Upgrade":
    """Judge both, then write and show what changed."""
    from rich.console import Console

    from conformance.environments import Unjudged, Unresolvable
    from conformance.environments.upgrade import upgrade as upgraded
    from conformance.reports.comparison import show_comparison
    from conformance.reports.upgrade import write

    try:
        done = upgraded(before, after, options, cache, say)
    except (Unresolvable, Unjudged) as error:
        raise UsageError(str(error)) from None
    write(done.comparison, done.names, done.notes, options.report_dir)
    show_comparison(done.comparison, Console(highlight=False))
    return done


def _start(given: list[str]) -> "Stack | Path | None":
    """Where an upgrade starts: a stack, a record or, without either, today's."""
    from conformance.environments import Stack

    if not given:
        return None
    path = Path(given[0])
    if len(given) == 1 and (path.suffix == ".json" or path.is_dir()):
        return path
    return Stack.of(given)
