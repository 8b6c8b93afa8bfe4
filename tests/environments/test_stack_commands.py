"""The commands as they are called; nothing is built or judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conformance import cli
from conformance.commands.matrix import arguments_for_one
from conformance.environments.matrixfile import SUPPORTED
from conformance.environments.stack_folder import State
from conformance.options import RunOptions


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def complaint(result: Any) -> str:
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return str(line).removeprefix("peft-conformance: ")


def test_the_plan_is_one_line_of_json() -> None:
    result = call("matrix", "--plan")
    assert result.exit_code == 0
    found = json.loads(result.stdout)["include"]
    assert [each["index"] for each in found] == list(range(len(found)))
    assert json.loads(call("matrix", "--plan", "--only", 2).stdout)["include"] == [found[2]]


def test_what_judges_one_stack_of_several_is_a_command_of_this_program(tmp_path: Path) -> None:
    options = RunOptions(chapters=("frozen",), clauses=("output.is-train-output",), workers=1)
    given = arguments_for_one(SUPPORTED, options, cache=tmp_path)
    assert call("matrix", *given, "--plan", "--only", 0).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--only", "99"], "no stack '99'"),
        (["none.toml"], "none.toml does not exist"),
        (["--at-once", "0"], "0 stacks at once is none"),
        (["--profile", "quik"], "did you mean quick?"),
        (["--clause", "frozen.x"], "unknown clause"),
        (["--merge", "empty"], "no stack was judged in empty"),
        (["--merge", "empty", "--plan"], "--merge takes what was judged"),
    ],
)
def test_matrix_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert expected in complaint(call("matrix", *arguments))


def test_merging_writes_the_page_and_exits_as_the_worst(tmp_path: Path) -> None:
    State(0, "odd", ("peft==0.1",), reason="no index has it").write(tmp_path / "odd")
    result = call("matrix", "--merge", tmp_path)
    assert result.exit_code == 1
    assert "1 stack: 1 not judged" in result.stdout
    assert (tmp_path / "matrix.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["frozen.bit-identica"], "did you mean frozen.bit-identical"),
        (["frozen.bit-identical", "--profile", "x"], "unknown profile"),
        (["frozen.bit-identical", "--good", "x"], "'x' is not a version"),
        (["precision.fp16"], "precision.fp16 cannot be traced: it needs a CUDA device"),
    ],
)
def test_bisect_refuses(tmp_path: Path, arguments: list[str], expected: str) -> None:
    assert expected in complaint(call("bisect", *arguments, "--report-dir", tmp_path))
