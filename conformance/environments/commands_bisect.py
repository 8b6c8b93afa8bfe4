"""The command ``bisect``: parse, call, print."""

import typer


def add_to(app: typer.Typer) -> None:
    """Make the command part of the program."""
