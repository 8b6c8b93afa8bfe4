"""What a case changes of its process is put back."""

import locale
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from conformance.leaving import end_descendants
from conformance.memory import Watch
from conformance.undoing import undone


def mask(new: int | None = None) -> int:
    before = os.umask(0 if new is None else new)
    if new is None:
        os.umask(before)
    return before


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "folder": (os.getcwd, lambda: os.chdir("/")),
    "variable": (lambda: dict(os.environ), lambda: os.environ.update(RANK="1")),
    "variable-gone": (lambda: dict(os.environ), lambda: os.environ.pop("PATH")),
    "variable-changed": (lambda: dict(os.environ), lambda: os.environ.update(PATH="/")),
    "umask": (mask, lambda: mask(0o777)),
    "locale": (
        lambda: locale.setlocale(locale.LC_ALL),
        lambda: locale.setlocale(locale.LC_CTYPE, "C"),
    ),
    "handler": (
        lambda: signal.getsignal(signal.SIGTERM),
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    ),
    "blocked": (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}),
    ),
    "random": (random.getstate, random.random),
    "numpy": (lambda: numpy.random.get_state()[1].tolist(), lambda: numpy.random.seed(3)),
    "torch": (lambda: torch.get_rng_state().tolist(), lambda: torch.rand(1)),
    "dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_put_back(name: str) -> None:
    look, change = CHANGES[name]
    with undone():
        pass  # the first time it imports what sets variables of its own
    before = look()
    with undone():
        change()
        changed = look()
    assert look() == before
    assert changed != before or name == "locale"  # which may be C already


def test_a_folder_that_is_gone_does_not_keep_the_rest(tmp_path: Path, monkeypatch: Any) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    with undone():
        torch.set_grad_enabled(False)
        os.chdir(tmp_path)
        gone.rmdir()
    assert torch.is_grad_enabled()


def test_a_process_that_takes_too_much_is_ended() -> None:
    code = "taken = b'x' * (300 << 20); import time; time.sleep(60)"
    modest, greedy = (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)" if small else code])
        for small in (True, False)
    )
    watch = Watch(200, lambda: [modest.pid, greedy.pid])
    with watch():
        assert greedy.wait(30) == -signal.SIGKILL
    assert (watch.ended, modest.poll()) == ({greedy.pid}, None)
    modest.kill()
    modest.wait()
    assert "memory" not in [thread.name for thread in threading.enumerate()]


def test_so_is_one_whose_child_takes_too_much() -> None:
    taking = "taken = b'x' * (300 << 20); import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {taking!r}])"
    parent = subprocess.Popen([sys.executable, "-c", code])
    watch = Watch(200, lambda: [parent.pid])
    with watch():
        assert parent.wait(30) == -signal.SIGKILL
    assert watch.ended == {parent.pid}


def test_descendants_are_ended() -> None:
    code = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print(1, flush=True)"
    waiting = f"{code}; import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    end_descendants()
    assert process.poll() is not None
    assert process.stdout.read() == b""  # which the other one held open as well
    process.stdout.close()
