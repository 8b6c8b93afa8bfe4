"""How commands print, and how those that run others are told to end."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console


def shown(show: "Callable[[Console], None]", colours: bool | None = None) -> str:
    """What ``show`` prints; ``colours`` `None` means if it goes to a terminal."""
    from rich.console import Console

    console = Console(highlight=False, force_terminal=colours)
    with console.capture() as captured:
        show(console)
    return captured.get()


def print_(show: "Callable[[Console], None]") -> None:
    """Print what ``show`` prints."""
    typer.echo(shown(show), nl=False)


def say(line: str) -> None:
    """Tell how far it is, where results are not in the way."""
    typer.echo(line, err=True)


def end_as_when_interrupted() -> None:
    """SIGTERM, by which a CI ends its job, is an interrupt like any other from now on."""

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
