"""``run``: judge, compare with the baseline, hand out scripts, write every report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from conformance.device import CUDA
from conformance.leaving import alone_in
from conformance.options import DEFAULT_MEMORY, DEFAULT_TRAINER, RunOptions, UsageError, validated
from conformance.records import Record

from .arguments import (
    Chapters,
    Clauses,
    ForceBaseline,
    Profile,
    Resume,
    Seed,
    Trainer,
    Verbose,
    Workers,
)
from .interrupted import so_far, telling
from .printing import print_
from .reporting import earlier_of

if TYPE_CHECKING:
    from conformance.reports.trend import Histories


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
    app.command("run")(run)


def run(
    *,
    chapters: Chapters = None,
    clauses: Clauses = None,
    profile: Profile = "quick",
    trainer: Trainer = DEFAULT_TRAINER,
    report_dir: Annotated[Path, typer.Option(help="Where record and reports go.")] = Path(
        "reports"
    ),
    strict: Annotated[
        bool, typer.Option("--strict", help="SHOULD clauses and fixed deviations count too.")
    ] = False,
    workers: Workers = None,
    seed: Seed = 0,
    timeout: Annotated[float, typer.Option(help="Seconds one case may take.")] = 120.0,
    fault: Annotated[
        str | None, typer.Option(help="Plant this deliberate defect first; see `faults`.")
    ] = None,
    ignore_deviations: Annotated[
        bool, typer.Option("--ignore-deviations", help="Let known deviations fail too.")
    ] = False,
    scripts: Annotated[
        bool, typer.Option(help="Write and try stand-alone scripts for what fails.")
    ] = True,
    baseline: Annotated[
        Path | None, typer.Option(help="Compare with this baseline, not the committed one.")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Make this run the new baseline.")
    ] = False,
    force_baseline: ForceBaseline = False,
    memory: Annotated[
        int, typer.Option(help="MiB that one worker may hold; 0 for no limit.")
    ] = DEFAULT_MEMORY,
    resume: Resume = False,
    device: Annotated[str, typer.Option(help="What is trained on: cpu or cuda.")] = "cpu",
    verbose: Verbose = False,
    history: Annotated[
        Path | None, typer.Option(help="A folder of earlier records, for the HTML report.")
    ] = None,
) -> None:
    """Judge the installed libraries; writes record.json, and reports made of it.

    What fails gets stand-alone scripts in the folder `reproducers` beside them.
    """
    see_working_folder()
    options = validated(
        RunOptions(
            profile=profile,
            chapters=tuple(chapters or ()),
            clauses=tuple(clauses or ()),
            trainer=trainer,
            report_dir=report_dir,
            strict=strict,
            workers=workers,
            seed=seed,
            timeout=timeout,
            fault=fault,
            ignore_deviations=ignore_deviations,
            baseline=baseline,
            update_baseline=update_baseline,
            force_baseline=force_baseline,
            memory=memory,
            resume=resume,
            device=device,
        )
    )
    if reason := no_device(options):
        raise UsageError(reason)
    earlier = earlier_of(history) if history else None
    judged(options, scripts=scripts, verbose=verbose, histories=earlier)


def no_device(options: RunOptions) -> str:
    """Why the device to train on is not there; empty where it is."""
    if options.device != CUDA:
        return ""
    from conformance.cards import machine

    return machine().missing


def card(options: RunOptions) -> str:
    """The card that is trained on; empty for a CPU."""
    if options.device != CUDA:
        return ""
    from conformance.cards import machine

    return machine().hardware().get("card", "")


def judged(
    options: RunOptions,
    *,
    scripts: bool,
    verbose: bool = False,
    histories: "Histories | None" = None,
) -> NoReturn:
    """Judge, report, and exit as the record says, or as an interrupt does.

    Stand-alone scripts train on a CPU, and are written for what fails there. ``histories`` are what
    HTML shows of earlier records.
    """
    from conformance import rewriting
    from conformance.baselines import check

    check(options.trainer, options.baseline, card(options))
    rewriting.check(options, card(options))
    with alone_in(options.report_dir), telling(lambda: so_far(options)):
        record = _judged(options, scripts=scripts and options.device != CUDA)
        _told(record, options, histories, verbose=verbose)
    raise typer.Exit(record.exit_status)


def _judged(options: RunOptions, *, scripts: bool) -> Record:
    """Judge, and write scripts for what fails."""
    from conformance.progress import Progress
    from conformance.reports import FILES
    from conformance.reproducers import hand_out
    from conformance.session import run as run_session

    for name in FILES.values():  # of an earlier run: nobody shall take them for this one's
        (options.report_dir / name).unlink(missing_ok=True)
    record = run_session(options)
    if not scripts:
        return record
    with Progress(stream=sys.stderr) as progress:
        return hand_out(record, options.report_dir, progress.say)


def _told(
    record: Record, options: RunOptions, histories: "Histories | None", *, verbose: bool
) -> None:
    """Write the reports, and show what came of it."""
    from conformance.baselines import against
    from conformance.reports import write_all
    from conformance.reports.ci import announce
    from conformance.reports.terminal import show
    from conformance.rewriting import rewrite

    known, folder = options.baseline, options.report_dir
    changes = None if known and not known.is_file() else against(record, known)
    write_all(record, folder, changes, histories)
    typer.echo(announce(record, changes), nl=False)
    print_(lambda console: show(record, console, changes, folder, verbose=verbose))
    if options.update_baseline:
        for line in rewrite(record, known, force=options.force_baseline):
            typer.echo(line)


def see_working_folder() -> None:
    """Find a trainer in the working folder, as ``python -m`` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
