"""Calling the program in this process."""

from typing import Any

from typer.testing import CliRunner

from conformance import cli


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def complaint(result: Any) -> str:
    """The one line on the standard error output of a call that was refused."""
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("peft-conformance: ")
    return str(line).removeprefix("peft-conformance: ")
