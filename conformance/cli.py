"""The command line: parse, call, print.

Exit statuses: 0 as expected, 1 something unexpected, 2 the program or its use was wrong, 130
interrupted, 141 when nobody reads the output. What is wrong is said on one line of the standard
error output.
"""

import io
import json
import os
import sys
import traceback
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from conformance import __version__
from conformance.commands import (
    bisect,
    faults,
    gpu,
    gpu_compare,
    matrix,
    reporting,
    run,
    steady,
    upgrade,
)
from conformance.commands.arguments import Chapters, Verbose
from conformance.commands.printing import print_
from conformance.contract import ContractError, load, tested
from conformance.options import SuiteError, UsageError
from conformance.records import RecordError, stack, write_atomically
from conformance.redacting import printable, redacted

PROGRAM = "peft-conformance"


class Format(str, Enum):
    """How ``report`` and ``compare`` show what they found; not all suit everything."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"
    ANNOTATIONS = "annotations"
    BADGE = "badge"


class _Program(TyperGroup):
    """The commands, with every error of theirs told on one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (UsageError, SuiteError, ContractError, RecordError) as error:
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

RecordPath = Annotated[Path, typer.Argument(help="A record, or the folder it lies in.")]
Compared = Annotated[
    Path, typer.Argument(help="A record, the folder it lies in, or a committed baseline.")
]
Form = Annotated[Format, typer.Option("--format", help="What to write.")]
Out = Annotated[Path | None, typer.Option(help="Write to this file instead.")]


run.add_to(app)


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
        print_(lambda console: show_chapters(wanted, tested(contract), console))


@app.command()
def explain(clause: Annotated[str, typer.Argument(help="The id of a clause.")]) -> None:
    """Say what a clause promises, where that is documented, what tests it, what deviates."""
    from conformance.reports.explaining import explained, show_clause

    found = explained(load(), clause)
    print_(lambda console: show_clause(found, console))


@app.command()
def report(
    record: RecordPath = Path("reports"),
    *,
    form: Form = Format.TERMINAL,
    out: Out = None,
    by: Annotated[str, typer.Option(help="A history's order: release or date.")] = "release",
    history: Annotated[
        Path | None, typer.Option(help="A folder of earlier records, for HTML of one record.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Show a record again; of a folder that holds several, how clauses turned and numbers drift."""
    colours = False if out else None
    text = reporting.report(record, form.value, by, history, colours, verbose=verbose)
    _hand_out(text, out)


@app.command()
def compare(
    before: Compared, after: Compared, form: Form = Format.TERMINAL, out: Out = None
) -> None:
    """Say which cases changed their verdict; exits 1 when a MUST clause got worse."""
    text, regressed = reporting.compare(before, after, form.value, False if out else None)
    _hand_out(text, out)
    raise typer.Exit(int(regressed))


@app.command()
def version() -> None:
    """Say which version this is, and what it finds installed."""
    installed = stack()
    typer.echo(f"{PROGRAM} {__version__}, Python {installed.python}, {installed.platform}")
    for name, number in installed.packages.items():
        typer.echo(f"{name} {number}")


for _more in (faults, steady, upgrade, matrix, bisect, gpu, gpu_compare):
    _more.add_to(app)


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
    typer.echo(f"{PROGRAM}: {printable(redacted(message))}", err=True)


def _complain(message: str, status: int = 2) -> NoReturn:
    _say(message)
    raise typer.Exit(status)


def _hand_out(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text)
