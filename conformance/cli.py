"""The command line: parse, call, print.

Exit statuses: 0 as expected, 1 something unexpected, 2 the program or its use was wrong, 130
interrupted, 141 when nobody reads the output. What is wrong is said on one line of the standard
error output.
"""

import io
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from conformance import __version__
from conformance.contract import ContractError, load, tested
from conformance.environments import commands, commands_bisect, commands_matrix
from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated
from conformance.records import RecordError, comparing, read, stack, write_atomically

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM = "peft-conformance"


class Format(str, Enum):
    """How ``report`` shows a record."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"


class _Program(TyperGroup):
    """The commands, with every error of theirs told on one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (UsageError, ContractError, RecordError) as error:
            _complain(str(error))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except OSError as error:
            place = f": {error.filename}" if error.filename else ""
            _complain(f"{error.strerror or error}{place}")
        except KeyboardInterrupt:
            _complain("interrupted", 130)


app = typer.Typer(
    cls=_Program,
    name=PROGRAM,
    help="Does Trainer.train() with PEFT adapters still do what its documentation says?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _more in (commands, commands_matrix, commands_bisect):
    _more.add_to(app)

Chapters = Annotated[
    list[str] | None, typer.Option("--chapter", help="Only this chapter; repeatable.")
]
RecordPath = Annotated[Path, typer.Argument(help="A record, or the folder it lies in.")]


@app.command()
def run(
    *,
    chapters: Chapters = None,
    clauses: Annotated[
        list[str] | None, typer.Option("--clause", help="Only this clause; repeatable.")
    ] = None,
    profile: Annotated[str, typer.Option(help="How broad: smoke, quick or full.")] = "quick",
    trainer: Annotated[
        str, typer.Option(help="The class to judge, as package.module:Class.")
    ] = DEFAULT_TRAINER,
    report_dir: Annotated[Path, typer.Option(help="Where record and reports go.")] = Path(
        "reports"
    ),
    strict: Annotated[
        bool, typer.Option("--strict", help="SHOULD clauses and fixed deviations count too.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="How many processes judge.")] = None,
    seed: Annotated[int, typer.Option(help="What generated scenarios start from.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds one case may take.")] = 120.0,
    fault: Annotated[
        str | None, typer.Option(help="Plant this deliberate defect first; see `faults`.")
    ] = None,
) -> None:
    """Judge the installed libraries; writes record.json, junit.xml, report.md and report.html."""
    _see_working_folder()
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
        )
    )
    from conformance.reports import write_all
    from conformance.reports.terminal import show
    from conformance.session import run as run_session

    record = run_session(options)
    write_all(record, options.report_dir)
    _print(lambda console: show(record, console))
    raise typer.Exit(record.exit_status)


@app.command("list")
def list_(
    chapters: Chapters = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the contract's chapters and clauses, and which of them are tested."""
    from conformance.reports.contract import listed, show_chapters

    contract = load()
    wanted = tuple(map(contract.chapter, chapters)) if chapters else contract.chapters
    if as_json:
        typer.echo(json.dumps(listed(wanted, tested(contract)), indent=1))
    else:
        _print(lambda console: show_chapters(wanted, tested(contract), console))


@app.command()
def explain(clause: Annotated[str, typer.Argument(help="The id of a clause.")]) -> None:
    """Say what a clause promises, where that is documented, what tests it, what deviates."""
    from conformance import deviations
    from conformance.reports.contract import show_clause

    contract = load()
    known = [f"{d.id}: {d.summary}" for d in deviations.load() if d.concerns(clause)]
    _print(lambda to: show_clause(contract.clause(clause), tested(contract), to, known))


@app.command()
def report(
    record: RecordPath = Path("reports"),
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.TERMINAL,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead.")] = None,
) -> None:
    """Show a record again."""
    from conformance.reports import render
    from conformance.reports.terminal import show

    found = read(record)
    if form is Format.TERMINAL:
        text = _text(lambda console: show(found, console), colours=False if out else None)
    else:
        text = render(found, form.value, record if record.is_dir() else record.parent)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text)


@app.command()
def compare(before: RecordPath, after: RecordPath) -> None:
    """Say which cases changed their verdict; exits 1 when a MUST clause got worse."""
    from conformance.reports.comparison import show_comparison

    comparison = comparing.compare(read(before), read(after))
    _print(lambda console: show_comparison(comparison, console))
    raise typer.Exit(int(comparison.regressed))


@app.command()
def faults(
    names: Annotated[list[str] | None, typer.Argument(help="Only these faults.")] = None,
    *,
    chapters: Chapters = None,
    only_list: Annotated[bool, typer.Option("--list", help="Name them, plant nothing.")] = False,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Also see which other clauses turn red.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Plant those too that nothing has changed for.")
    ] = False,
    cold: Annotated[
        bool, typer.Option("--cold", help="Plant each in a new process; slow, works everywhere.")
    ] = False,
    report_dir: Annotated[Path, typer.Option(help="Where faults.json goes.")] = Path("reports"),
    at_once: Annotated[int, typer.Option(help="How many run beside each other.")] = 2,
) -> None:
    """Plant deliberate defects one at a time; exits 1 when a clause does not catch its own."""
    from conformance.faults.selecting import select
    from conformance.reports.faults import show_faults

    chosen = select(names or (), chapters or ())
    if only_list:
        _print(lambda console: show_faults(chosen, console))
        return
    from rich.console import Console

    from conformance.controls.command import prove, way

    how = way(matrix=matrix, again=again, cold=cold, at_once=at_once)
    scope = None if names else tuple(chapters or ())
    proven = prove(chosen, scope, how, report_dir, Console(highlight=False))
    raise typer.Exit(int(not proven))


@app.command()
def steady(
    *,
    seeds: Annotated[int, typer.Option(help="How many runs, each with another seed.")] = 5,
    chapters: Chapters = None,
    profile: Annotated[str, typer.Option(help="How broad: smoke, quick or full.")] = "smoke",
    trainer: Annotated[
        str, typer.Option(help="The class to judge, as package.module:Class.")
    ] = DEFAULT_TRAINER,
    workers: Annotated[int | None, typer.Option(help="How many processes judge.")] = None,
) -> None:
    """Repeat a run in other surroundings; exits 1 when a verdict differs, or anything is red."""
    _see_working_folder()
    with tempfile.TemporaryDirectory() as scratch:
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

        given = ["--profile", options.profile, "--trainer", options.trainer]
        given += [part for name in options.chapters for part in ("--chapter", name)]
        given += ["--workers", str(workers)] if workers else []
        try:
            runs = repeat(seeds, given, Path(scratch))
            unsteady = show_repetitions(runs, Console(highlight=False))
        except Unjudged as error:
            _complain(str(error))
    raise typer.Exit(int(unsteady > 0))


@app.command()
def version() -> None:
    """Say which version this is, and what it finds installed."""
    installed = stack()
    typer.echo(f"{PROGRAM} {__version__}, Python {installed.python}, {installed.platform}")
    for name, number in installed.packages.items():
        typer.echo(f"{name} {number}")


def main() -> None:
    """Run the program and exit; a fault of its own is told on one line too, with status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name=PROGRAM)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        _say(f"internal error: {type(error).__name__}: {error} ({where})")
        sys.exit(2)


def _say(message: str) -> None:
    typer.echo(f"{PROGRAM}: {' '.join(message.split())}", err=True)


def _complain(message: str, status: int = 2) -> NoReturn:
    _say(message)
    raise typer.Exit(status)


def _see_working_folder() -> None:
    """Find a trainer in the working folder, as ``python -m`` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _print(show: "Callable[[Console], None]") -> None:
    typer.echo(_text(show), nl=False)


def _text(show: "Callable[[Console], None]", colours: bool | None = None) -> str:
    """What ``show`` prints; ``colours`` `None` means if it goes to a terminal."""
    from rich.console import Console

    console = Console(highlight=False, force_terminal=colours)
    with console.capture() as captured:
        show(console)
    return captured.get()
