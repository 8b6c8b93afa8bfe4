"""A bitsandbytes that is broken costs its chapter, with the reason, and nothing else."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.records import Record, read

CLAUSES = (
    *("quantized.adapter-only", "quantized.every-layer", "quantized.refusals", "recipes.qlora"),
    "frozen.no-gradient",
)


def run(folder: Path, packages: Path) -> Record:
    """The clauses above, judged with ``packages`` ahead of what is installed."""
    command = [sys.executable, "-m", "conformance", "run", "--profile", "smoke", "--workers", "1"]
    command += [f"--clause={name}" for name in CLAUSES]
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [*command, "--report-dir", str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return read(folder)


def judged(record: Record) -> dict[str, set[tuple[str, str]]]:
    """Verdicts and messages of each clause's cases."""
    return {
        clause.id: {(str(case.verdict), case.message) for case in clause.cases}
        for clause in record.clauses
    }


def assert_not_run(record: Record, reason: str) -> None:
    assert judged(record) == {
        **{name: {("not-run", reason)} for name in CLAUSES[:-1]},
        CLAUSES[-1]: {("pass", "")},
    }


@pytest.mark.parametrize("error", ["ImportError", "OSError"])
def test_one_that_cannot_be_imported(tmp_path: Path, error: str) -> None:
    package = tmp_path / "packages" / "bitsandbytes"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise {error}('libcudart.so.13: no such file')")
    record = run(tmp_path / "out", package.parent)
    said = f"bitsandbytes cannot be imported: {error}: libcudart.so.13: no such file"
    assert_not_run(record, said)


def test_one_whose_native_library_does_not_load(tmp_path: Path) -> None:
    found = importlib.util.find_spec("bitsandbytes")
    if found is None or not found.submodule_search_locations:
        pytest.skip("bitsandbytes is not installed")
    installed = Path(next(iter(found.submodule_search_locations)))
    copy = tmp_path / "packages" / "bitsandbytes"
    native = shutil.ignore_patterns("*.so", "*.dll", "*.dylib", "__pycache__")
    shutil.copytree(installed, copy, ignore=native)
    record = run(tmp_path / "out", copy.parent)
    assert_not_run(record, "the native library of bitsandbytes does not load")


def test_libraries_that_cannot_be_imported_are_named(tmp_path: Path) -> None:
    """What the worker that could not start raised is what the run says."""
    package = tmp_path / "packages" / "transformers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('cannot import name X')")
    command = [sys.executable, "-m", "conformance", "run", "--clause", CLAUSES[-1]]
    ended = subprocess.run(
        [*command, "--report-dir", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    said = (
        "the suite could not be run: a process that judges ended: ImportError: cannot import name X"
    )
    assert f"peft-conformance: {said}" in ended.stderr
