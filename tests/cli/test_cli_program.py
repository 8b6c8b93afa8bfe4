"""The program as it is started from a shell."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import cli

HEAVY = ("torch", "transformers", "peft", "accelerate", "pytest", "hypothesis", "jinja2")


def program(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_starting_imports_nothing_heavy() -> None:
    code = f"import sys, conformance.cli; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help() -> None:
    done = program("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("run", "list", "explain", "report", "compare", "version"):
        assert f"\n  {command} " in done.stdout


def test_errors_take_one_line_and_exit_2(tmp_path: Path) -> None:
    done = program("report", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"peft-conformance: {tmp_path}/record.json does not exist\n"


def test_usage_errors_exit_2() -> None:
    done = program("run", "--workers", "many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_faults_of_the_program_take_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Any:
        raise KeyError("of\nsome kind")

    monkeypatch.setattr(cli, "load", fail)
    monkeypatch.setattr(sys, "argv", ["peft-conformance", "list"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("peft-conformance: internal error: KeyError: ")
    assert said.count("\n") == 1


def test_arguments_that_are_not_text() -> None:
    command = [sys.executable.encode(), b"-m", b"conformance", b"explain", b"x\xff"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unknown clause" in done.stderr


@pytest.mark.parametrize("way", ["{}", 'exec("{}")'])
def test_an_interrupt_while_it_is_imported_takes_a_line_and_exits_130(
    tmp_path: Path, way: str
) -> None:
    act = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    lines = ("import signal", "signal.signal(signal.SIGINT, signal.default_int_handler)")
    (tmp_path / "typer.py").write_text("\n".join((*lines, way.format(act))))
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "conformance", "version"]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (130, "peft-conformance: interrupted\n")
