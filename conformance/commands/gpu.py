"""The command ``gpu``: the contract and the throughput on a hardware runner."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from conformance.device import CPU, CUDA
from conformance.leaving import alone_in
from conformance.options import RunOptions, UsageError, validated

from .arguments import Chapters, Clauses, ForceBaseline, Resume, Workers
from .run import judged, no_device

if TYPE_CHECKING:
    from conformance.records import Record

PROFILES = {"quick": "smoke", "full": "full"}
"""What is measured, to how broadly the contract is judged beside it."""


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
    app.command("gpu")(gpu)


def gpu(
    *,
    chapters: Chapters = None,
    clauses: Clauses = None,
    profile: Annotated[str, typer.Option(help="quick (some ten minutes) or full.")] = "quick",
    device: Annotated[
        str, typer.Option(help="cuda; or cpu, on which a tiny shape goes the same way.")
    ] = CUDA,
    require_gpu: Annotated[
        bool, typer.Option("--require-gpu", help="Exit with 2, not 0, without a CUDA device.")
    ] = False,
    report_dir: Annotated[Path, typer.Option(help="Where record and reports go.")] = Path(
        "reports/gpu"
    ),
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Make this run the card's new baseline.")
    ] = False,
    force_baseline: ForceBaseline = False,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Judge the contract with tensors on a GPU, and measure how fast and how large trainings are.

    Without a CUDA device nothing is run: the record says so of every clause, and the exit status
    is 0 unless a GPU is required.
    """
    if profile not in PROFILES:
        raise UsageError(f"unknown profile {profile!r}; known are {', '.join(PROFILES)}")
    if update_baseline and device == CPU:
        raise UsageError("--update-baseline writes a card's; that of a CPU is written by `run`")
    options = validated(
        RunOptions(
            profile=PROFILES[profile],
            chapters=tuple(chapters or ()),
            clauses=tuple(clauses or ()),
            report_dir=report_dir,
            workers=workers,
            resume=resume,
            update_baseline=update_baseline,
            force_baseline=force_baseline,
            device=device,
            measure="cpu" if device == CPU else profile,
        )
    )
    if reason := no_device(options):
        _nothing(options, reason, required=require_gpu)
    _say_what(options)
    with _stored(options.report_dir):
        judged(options, scripts=True)


@contextmanager
def _stored(folder: Path) -> Iterator[None]:
    """Leave what was timed as pytest-benchmark stores it, too, once the run came to its end."""
    from conformance.benchmarks.pytest_benchmark_file import FILE, store
    from conformance.records import RecordError, read

    (folder / FILE).unlink(missing_ok=True)
    try:
        yield
    finally:
        with suppress(RecordError):  # of a run that was broken off
            store(read(folder), folder)


def _nothing(options: RunOptions, reason: str, *, required: bool) -> NoReturn:
    """Write a record that says of every clause why it was not run, and exit."""
    from conformance.records import write
    from conformance.reports import write_all

    with alone_in(options.report_dir):
        record = _not_run(options, reason)
        write(record, options.report_dir)
        write_all(record, options.report_dir)
    typer.echo(f"not-run: {reason}")
    raise typer.Exit(2 if required else 0)


def _not_run(options: RunOptions, reason: str) -> "Record":
    from conformance import __version__
    from conformance.contract import load
    from conformance.records import Record, Selection, judge, stack

    clauses = load().select(options.chapters, options.clauses)
    return Record(
        suite_version=__version__,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        stack=stack("none"),
        profile=options.profile,
        selection=Selection(options.chapters, options.clauses),
        clauses=judge(clauses, (), options.profile, reasons={c.id: reason for c in clauses}),
        complete=True,
    )


def _say_what(options: RunOptions) -> None:
    """What it runs on, and who else does."""
    from conformance.cards import machine

    if options.device == CPU:
        typer.echo("on a CPU: a tiny shape goes the way, its figures mean nothing", err=True)
        return
    found = machine()
    told = ", ".join(f"{name} {value}" for name, value in found.hardware().items())
    typer.echo(told, err=True)
    if found.in_use:
        typer.echo(f"the card is in use, no throughput will be measured: {found.in_use}", err=True)
