"""The process of a fork server: a program of its own, or a fork of the process that asks.

A fork costs a hundredth of a start, since everything is imported already. It has to be made before
that process trains, so that what is forked of it starts as a new process does.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import pytest_socket

from conformance import device, one_thread
from conformance.leaving import end_with_the_parent
from conformance.redacting import redacted

ENDING = 10  # seconds a fork server gets to end by itself
_WAITING = 1  # threads beside the caller: execnet's, which waits for messages


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A fork server: JSON lines go to ``orders`` and come from ``answers``; ``said`` is the file of
    what it prints.

    ``ended`` is its exit status, negative for a signal, or `None` while it lives; told to wait, it
    waits for the end.
    """

    pid: int
    orders: IO[str]
    answers: IO[str]
    said: IO[str]
    ended: Callable[[bool], int | None]

    def last_words(self, most: int) -> str:
        """The end of what it printed, in at most so many characters."""
        self.said.seek(0)
        return redacted(self.said.read())[-most:]

    def close(self) -> None:
        """End it, and with it what it started."""
        with contextlib.suppress(BrokenPipeError):
            self.orders.close()
        self.ended(True)
        for stream in (self.answers, self.said):
            stream.close()


_ahead: list[ServerProcess] = []  # forked of this process before it trained, until taken


def fork_ahead() -> None:
    """Fork a server of this process, for `get` to hand out.

    Nothing happens where that is not safe, or where a card is trained on: see `fork_server`.
    """
    safe = one_thread.AVAILABLE and one_thread.threads() <= 1 + _WAITING
    if safe and device.chosen() == device.CPU:
        _ahead.append(_forked())


def get() -> ServerProcess:
    """The server that was forked ahead, if there is one, else a program that is started now."""
    while _ahead:
        found = _ahead.pop()
        if found.ended(False) is None:
            return found
    return _started()


def _started() -> ServerProcess:
    said = _file()
    program = subprocess.Popen(
        [sys.executable, "-m", "conformance.running.launch.fork_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        env={**os.environ, **one_thread.ENVIRONMENT},
    )
    assert program.stdin is not None and program.stdout is not None

    def ended(wait: bool) -> int | None:
        return program.wait(ENDING) if wait else program.poll()

    return ServerProcess(program.pid, program.stdin, program.stdout, said, ended)


def _forked() -> ServerProcess:
    said = _file()
    (theirs, orders), (answers, ours) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _serve(theirs, ours, said.fileno())
    os.close(theirs)
    os.close(ours)
    return ServerProcess(pid, os.fdopen(orders, "w"), os.fdopen(answers), said, _Child(pid))


def _file() -> IO[str]:
    return tempfile.TemporaryFile("w+", errors="replace")


class _Child:
    """How a forked process ended, which the kernel tells once."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status: int | None = None

    def __call__(self, wait: bool) -> int | None:
        if self._status is None:
            found, status = os.waitpid(self._pid, 0 if wait else os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if found else None
        return self._status


def _serve(orders: int, answers: int, said: int) -> NoReturn:
    """Never returns: nothing of what this process was about to do is the fork's."""
    status = 1
    try:
        end_with_the_parent()
        for each in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(each, signal.SIG_DFL)
        for printed in (1, 2):
            os.dup2(said, printed)
        _close_all_but(0, 1, 2, orders, answers)
        pytest_socket.enable_socket()  # ranks meet over one; other addresses are refused there
        from . import fork_server

        fork_server.serve(os.fdopen(orders), os.fdopen(answers, "w"))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _close_all_but(*kept: int) -> None:
    """A pipe that stays open here as well would not tell its reader that the writer has died."""
    for each in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if each not in kept:
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(each)
