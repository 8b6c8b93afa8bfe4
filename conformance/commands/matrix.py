"""The command ``matrix``: parse, call, print."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from conformance.leaving import alone_in
from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated

from .arguments import Cache, Chapters, Clauses, Profile, Seed, Trainer
from .interrupted import SoFar, telling
from .printing import say

if TYPE_CHECKING:
    from conformance.environments.matrixfile import Row


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
    app.command("matrix")(matrix)


def matrix(
    file: Annotated[
        Path | None, typer.Argument(help="matrix.toml; by default the stacks supported here.")
    ] = None,
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the stacks as JSON for a CI's matrix, run none.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="This stack, by its index or name; repeatable.")
    ] = None,
    merge: Annotated[
        list[Path] | None,
        typer.Option(help="Run none: make the page of what lies below this folder; repeatable."),
    ] = None,
    at_once: Annotated[int, typer.Option(help="How many stacks run beside each other.")] = 1,
    chapters: Chapters = None,
    clauses: Clauses = None,
    profile: Profile = "quick",
    trainer: Trainer = DEFAULT_TRAINER,
    workers: Annotated[int | None, typer.Option(help="How many processes judge a stack.")] = None,
    seed: Seed = 0,
    report_dir: Annotated[Path, typer.Option(help="A folder a stack, and the page.")] = Path(
        "reports/matrix"
    ),
    cache: Cache = None,
) -> None:
    """Judge many stacks of versions, and show them on one page; what is judged already is kept.

    Exits 1 when one of them does not conform or cannot be judged.
    """
    from conformance.environments import matrixfile

    if merge:
        if file or only or plan:
            raise UsageError("--merge takes what was judged: no file, --only or --plan beside it")
        _show(tuple(merge), report_dir if len(merge) > 1 else merge[0])
    rows = matrixfile.read(file or matrixfile.SUPPORTED)
    if plan:
        from conformance.environments.matrix import plan as planned

        typer.echo(json.dumps(planned(matrixfile.select(rows, only or map(str, range(len(rows)))))))
        return
    if at_once < 1:
        raise UsageError(f"{at_once} stacks at once is none, at least 1 is needed")
    options = RunOptions(
        profile=profile,
        chapters=tuple(chapters or ()),
        clauses=tuple(clauses or ()),
        trainer=trainer,
        report_dir=report_dir,
        workers=workers,
        seed=seed,
    )
    options = validated(options) if trainer == DEFAULT_TRAINER else options
    chosen = matrixfile.select(rows, only) if only else rows
    if len(chosen) == 1 and only:
        _one(chosen[0], options, cache)
    with alone_in(report_dir):  # and each stack's process its own folder below
        _all(chosen, file or matrixfile.SUPPORTED, options, at_once=at_once, cache=cache)


def _one(row: "Row", options: RunOptions, cache: Path | None) -> NoReturn:
    """Judge a stack in this process; exits as ``run`` does, 1 when it cannot be judged."""
    from conformance.environments.matrix import judge_stack
    from conformance.records import read
    from conformance.reports.summary import sentence

    folder = options.report_dir / row.name
    with telling(SoFar(folder)):
        state = judge_stack(row, folder, options, cache, say)
    for note in state.notes:
        say(f"{row.name}: {note}")
    if state.reason:
        typer.echo(f"{row.name}: not judged: {state.reason}")
        raise typer.Exit(1)
    record = read(folder)
    typer.echo(f"{row.name}: {sentence(record)}")
    raise typer.Exit(record.exit_status)


def _all(
    rows: "tuple[Row, ...]",
    file: Path,
    options: RunOptions,
    *,
    at_once: int,
    cache: Path | None,
) -> NoReturn:
    """Judge each stack in a process of its own, then show them all."""
    from conformance.environments.matrix import judge_all

    share = options.workers or max(1, (os.cpu_count() or 1) // at_once)
    given = arguments_for_one(file, replace(options, workers=share), cache)
    program = [sys.executable, "-m", "conformance", "matrix"]
    statuses: dict[str, int] = {}
    kept = f"kept in {options.report_dir}, the same command judges the rest"
    with telling(lambda: f" after {len(statuses)} of {len(rows)} stacks; {kept}"):
        for name, status in judge_all(
            rows,
            lambda row: [*program, *given, "--only", row.name],
            options.report_dir,
            at_once,
            say,
        ):
            statuses[name] = status
    broken = [name for name, status in statuses.items() if status not in (0, 1)]
    if broken:
        say(f"ended with an error of their own: {', '.join(broken)}")
    _show(tuple(options.report_dir / row.name for row in rows), options.report_dir)


def arguments_for_one(file: Path, options: RunOptions, cache: Path | None) -> list[str]:
    """What ``matrix`` is given to judge a single stack of a file: all but its ``--only``."""
    found = [str(file), *options.common_arguments(), "--report-dir", str(options.report_dir)]
    return [*found, *(["--cache", str(cache)] if cache else [])]


def _show(folders: tuple[Path, ...], into: Path) -> NoReturn:
    """Write the page, print the stacks, exit as the worst of them."""
    from rich.console import Console

    from conformance.reports.matrix import merged, show, write

    found = merged(folders)
    pages = write(found, into)
    show(found, Console(highlight=False))
    typer.echo(f"{into}: {', '.join(path.name for path in pages)}")
    raise typer.Exit(found.exit_status)
