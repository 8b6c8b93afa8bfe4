"""The command ``bisect``: parse, call, print."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from conformance import device
from conformance.contract import load, tested
from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated

from .printing import print_


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
    app.command("bisect")(bisect)


def bisect(
    clause: Annotated[str, typer.Argument(help="The id of the clause that something shows in.")],
    *,
    package: Annotated[str, typer.Option(help="Whose releases to walk.")] = "transformers",
    good: Annotated[
        str | None, typer.Option(help="A release that conforms; found by itself when left out.")
    ] = None,
    bad: Annotated[
        str | None, typer.Option(help="One that does not; the installed or the newest by default.")
    ] = None,
    case: Annotated[str, typer.Option(help="Only cases whose ids begin so count.")] = "",
    companions: Annotated[
        list[str] | None,
        typer.Option("--with", help="Hold this, as in peft==0.18.1, not what is installed."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="Judge every release between, to see each change.")
    ] = False,
    pre: Annotated[bool, typer.Option("--pre", help="Pre-releases too.")] = False,
    profile: Annotated[str, typer.Option(help="How broad: smoke, quick or full.")] = "quick",
    trainer: Annotated[
        str, typer.Option(help="The class to judge, as package.module:Class.")
    ] = DEFAULT_TRAINER,
    workers: Annotated[int | None, typer.Option(help="How many processes judge.")] = None,
    seed: Annotated[int, typer.Option(help="What generated scenarios start from.")] = 0,
    report_dir: Annotated[Path, typer.Option(help="Where records and answer go.")] = Path(
        "reports/bisect"
    ),
    cache: Annotated[
        Path | None,
        typer.Option(help="Where built stacks are kept; by default the user's cache."),
    ] = None,
) -> None:
    """Name the release that first shows what a clause shows; what was judged already is kept.

    A listed deviation shows a defect as a failure does. Exits 1 when no release can be named.
    """
    from conformance.environments.bisecting import Line
    from conformance.environments.matrix import judge_stack
    from conformance.environments.pairs import Pairs
    from conformance.environments.release_range import Range, fitting, held, line_of
    from conformance.environments.trials import Question, TrialRunner
    from conformance.reports.bisect import show, write

    options = validated(
        RunOptions(
            profile=profile,
            clauses=(clause,),
            trainer=trainer,
            report_dir=report_dir,
            workers=workers,
            seed=seed,
        )
    )
    if reason := _untraceable(clause):
        raise UsageError(f"{clause} cannot be traced: {reason}")
    signal.signal(signal.SIGTERM, _interrupt)
    span = Range(package, good, bad, pre)
    releases = line_of(span)
    _say(f"{package} {releases[0]} to {releases[-1]}: {len(releases)} releases")
    runner = TrialRunner(
        Question(clause, case),
        report_dir,
        lambda row, place: judge_stack(row, place, options, cache, _say),
        _say,
    )
    line = Line(package, releases, held(package, companions or ()), runner, fitting)
    if every:
        line.every()
    pairs = Pairs(line, lambda name: line_of(Range(name, None, None, pre)), fitting)
    answer = pairs.explain(*span.ends(releases), span.installed(releases))
    write(answer, runner)
    print_(lambda console: show(answer, runner, console))
    raise typer.Exit(int(not answer.answered))


def _untraceable(identifier: str) -> str:
    """Why no release can show a clause on this machine's CPU; empty when one can."""
    contract = load()
    (clause,) = contract.select((), (identifier,))
    return device.lacking(clause, device.CPU, "") if tested(contract).get(clause.id) else "no test"


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """What ends a CI's job is an interrupt like any other."""
    raise KeyboardInterrupt


def _say(line: str) -> None:
    """Tell how far it is, where results are not in the way."""
    typer.echo(line, err=True)
