"""The command ``steady``: parse, call, print."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated

from .arguments import Chapters, Profile, Trainer, Workers
from .interrupted import kept_in, telling
from .run import see_working_folder

if TYPE_CHECKING:
    from conformance.steady import Repetition


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
    app.command("steady")(steady)


def steady(
    *,
    seeds: Annotated[int, typer.Option(help="How many runs, each with another seed.")] = 5,
    chapters: Chapters = None,
    profile: Profile = "smoke",
    trainer: Trainer = DEFAULT_TRAINER,
    workers: Workers = None,
) -> None:
    """Repeat a run in other surroundings; exits 1 when a verdict differs, or anything is red."""
    see_working_folder()
    done: list[Repetition] = []
    with (
        telling(lambda: f" after {len(done)} of {seeds} runs, {sum(map(_bad, done))} unsteady"),
        tempfile.TemporaryDirectory() as scratch,
    ):
        options = validated(
            RunOptions(
                profile=profile,
                chapters=tuple(chapters or ()),
                trainer=trainer,
                workers=workers,
                report_dir=Path(scratch) / "reports",
            )
        )
        from rich.console import Console

        from conformance.reports.steady import show_repetitions
        from conformance.steady import Unjudged, repeat

        try:
            runs = kept_in(done, repeat(seeds, options.common_arguments(), Path(scratch)))
            unsteady = show_repetitions(runs, Console(highlight=False))
        except Unjudged as error:
            raise UsageError(str(error)) from error
    raise typer.Exit(int(unsteady > 0))


def _bad(repetition: "Repetition") -> bool:
    return bool(repetition.red or repetition.different)
