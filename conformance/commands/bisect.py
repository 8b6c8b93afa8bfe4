"""The command ``bisect``: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conformance import device
from conformance.contract import load, tested
from conformance.leaving import alone_in
from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated

from .arguments import Cache, Profile, Seed, Trainer, Workers
from .interrupted import telling
from .printing import print_, say

if TYPE_CHECKING:
    from conformance.environments.bisecting import Answer
    from conformance.environments.release_range import Range
    from conformance.environments.trials import Pins, TrialRunner


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
    profile: Profile = "quick",
    trainer: Trainer = DEFAULT_TRAINER,
    workers: Workers = None,
    seed: Seed = 0,
    report_dir: Annotated[Path, typer.Option(help="Where records and answer go.")] = Path(
        "reports/bisect"
    ),
    cache: Cache = None,
) -> None:
    """Name the release that first shows what a clause shows; what was judged already is kept.

    A listed deviation shows a defect as a failure does. Exits 1 when no release can be named.
    """
    from conformance.environments.matrix import judge_stack
    from conformance.environments.release_range import Range, held
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
    runner = TrialRunner(
        Question(clause, case),
        report_dir,
        lambda row, place: judge_stack(row, place, options, cache, say),
        say,
    )
    with alone_in(report_dir), telling(runner.so_far):
        answer = _traced(
            Range(package, good, bad, pre), held(package, companions or ()), runner, every=every
        )
        write(answer, runner)
    print_(lambda console: show(answer, runner, console))
    raise typer.Exit(int(not answer.answered))


def _traced(span: "Range", companions: "Pins", runner: "TrialRunner", *, every: bool) -> "Answer":
    """Walk the releases, all of them where ``every`` is to be judged."""
    from conformance.environments.bisecting import Line
    from conformance.environments.pairs import Pairs
    from conformance.environments.release_range import Range, fitting, line_of

    releases = line_of(span)
    say(f"{span.package} {releases[0]} to {releases[-1]}: {len(releases)} releases")
    line = Line(span.package, releases, companions, runner, fitting)
    if every:
        line.every()
    pairs = Pairs(line, lambda name: line_of(Range(name, None, None, span.pre)), fitting)
    return pairs.explain(*span.ends(releases), span.installed(releases))


def _untraceable(identifier: str) -> str:
    """Why no release can show a clause on this machine's CPU; empty when one can."""
    contract = load()
    (clause,) = contract.select((), (identifier,))
    return device.lacking(clause, device.CPU, "") if tested(contract).get(clause.id) else "no test"
