"""The command line: parse, call, print.

Exit statuses: 0 as expected, 1 something unexpected (2 says more), 2 the program or its use was
wrong, 130 interrupted. What is wrong is said on one line of the standard error output.
"""

import json
import os
import sys
import traceback
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from conformance import __version__
from conformance.options import DEFAULT_TRAINER, RunOptions, UsageError, validated
from conformance.contract import ContractError
from conformance.records import RECORD, Record, RecordError

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
            raise
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
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
