"""optimum.quanto: what it compiles is compiled once, and a reason where that cannot be."""

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance.compat import Unavailable, compiling, quanto


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """One in which nothing is prepared, and the package seems to be there."""
    monkeypatch.setenv(quanto._PREPARED, "")  # so that it is put back
    monkeypatch.delenv(quanto._PREPARED)
    monkeypatch.setattr(quanto, "is_installed", lambda _: True)
    monkeypatch.setattr(quanto, "_is_compiled", lambda: False)
    yield monkeypatch


def test_missing(environment: pytest.MonkeyPatch) -> None:
    """Without it nothing is compiled and nothing is said."""
    environment.setattr(quanto, "is_installed", lambda _: False)
    said: list[str] = []
    quanto.prepare_quanto(said.append)
    assert (said, quanto._PREPARED in os.environ) == ([], False)


def test_what_cannot_be_compiled_is_a_reason_found_once(environment: pytest.MonkeyPatch) -> None:
    """The last line that was said is the reason."""
    environment.setattr(quanto, "_CODE", "raise RuntimeError('Ninja is required')")
    said: list[str] = []
    quanto.prepare_quanto(said.append)
    quanto.prepare_quanto(said.append)
    assert len(said) == 1
    with pytest.raises(Unavailable, match="unpacks 4 bits: RuntimeError: Ninja is required"):
        quanto.require_quanto_compiled()


def test_a_lock_that_nobody_frees_is_not_waited_for(environment: pytest.MonkeyPatch) -> None:
    """What does not end is given up, with a reason."""
    environment.setattr(quanto, "_CODE", "import time; time.sleep(60)")
    environment.setattr(compiling, "LIMIT", 0.2)
    with pytest.raises(Unavailable, match="it did not end within 0 s"):
        quanto.require_quanto_compiled()


@pytest.mark.parametrize(("made_for", "found"), [("", True), ("0.0.1", False)])
def test_a_build_of_the_installed_torch_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_for: str, found: bool
) -> None:
    """One of another torch, which would be compiled anew, is none."""
    build = tmp_path / "library" / "extensions" / "cpp" / "build"
    build.mkdir(parents=True)
    (build / "quanto_cpp.so").touch()
    made_for = made_for or importlib.metadata.version("torch")
    (build / "pytorch_version.txt").write_text(made_for, encoding="utf-8")
    package = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(quanto.importlib.util, "find_spec", lambda _: package)
    assert quanto._is_compiled() is found
