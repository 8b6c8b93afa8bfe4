"""How commands print."""

from collections.abc import Callable
from typing import TYPE_CHECKING

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
