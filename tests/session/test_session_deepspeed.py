"""DeepSpeed: what is missing or does not work is a reason, and a reason is found once."""

import os
import sys
from collections.abc import Iterator

import pytest

from conformance.compat import Unavailable
from conformance.running.launch import zero


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv(zero._PREPARED, "")  # so that it is put back
    monkeypatch.delenv(zero._PREPARED)
    yield monkeypatch


def test_missing(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(zero.importlib.util, "find_spec", lambda _: None)
    zero.prepare()
    assert zero._PREPARED not in os.environ
    with pytest.raises(Unavailable, match="deepspeed is not installed"):
        zero.require()


def test_broken(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(zero.importlib.util, "find_spec", lambda _: "there")
    environment.setattr(sys, "executable", "/bin/false")
    said: list[str] = []
    zero.prepare(said.append)
    zero.prepare(said.append)
    assert len(said) == 1
    with pytest.raises(Unavailable, match="deepspeed cannot be used: exit status 1"):
        zero.require()
