"""Commands that are told to write where another one is writing: refused, and nothing touched."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conformance import cli
from conformance.environments import Environment, Stack, judge
from conformance.environments.matrix import judge_row
from conformance.environments.matrixfile import Row
from conformance.leaving import alone_in
from conformance.options import RunOptions, UsageError

FILES = ("record.json", "record.jsonl", "faults.json", "run.log")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A folder in which another run is writing."""
    for name in FILES:
        (tmp_path / name).write_text("of a run that goes on")
    with alone_in(tmp_path):
        yield tmp_path


def untouched(folder: Path) -> bool:
    return all((folder / name).read_text() == "of a run that goes on" for name in FILES)


def environment() -> Environment:
    return Environment(Stack(), Path(sys.executable), {}, {})


def test_a_stack_is_not_judged_where_another_run_writes(held: Path) -> None:
    with pytest.raises(UsageError, match="another run is writing to"):
        judge(environment(), ["--chapter", "x"], held)
    assert untouched(held)


def test_nor_is_one_of_a_matrix(held: Path) -> None:
    def build(_: tuple[str, ...]) -> Environment:
        return environment()

    with pytest.raises(UsageError, match="another run is writing to"):
        judge_row(Row(0, "a", ()), held, RunOptions(), build=build, judge=judge, say=print)
    assert untouched(held) and not (held / "stack.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("faults", "config-becomes-a-function"),
        ("upgrade", "--to", "peft==0.0.0"),
        ("matrix", "--only", "0", "--only", "1"),
        ("bisect", "frozen.bit-identical", "--package", "no-such-package"),
    ],
)
def test_a_command_is_refused_before_it_does_anything(held: Path, command: tuple[str]) -> None:
    result = CliRunner().invoke(cli.app, [*command, "--report-dir", str(held)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"peft-conformance: another run is writing to {held}: wait ")
    assert untouched(held) and len(list(held.iterdir())) == len(FILES) + 1
