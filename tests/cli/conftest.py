"""A written record, and a session that only seems to run."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.options import RunOptions
from conformance.records import Record, write


@pytest.fixture
def written(tmp_path: Path, record: Record) -> Path:
    write(record, tmp_path)
    return tmp_path


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], list[RunOptions]]:
    """Replace the session by one that hands back, or raises, what it is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def install(outcome: Any) -> list[RunOptions]:
        asked: list[RunOptions] = []

        def run(options: RunOptions) -> Record:
            asked.append(options)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome  # type: ignore[no-any-return]

        module = types.ModuleType("conformance.session")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "conformance.session", module)
        return asked

    return install
