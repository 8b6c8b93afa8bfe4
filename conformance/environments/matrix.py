"""Judging many stacks: one here, or all of them in processes of their own, some at a time."""

import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.leaving import end_together
from conformance.options import RunOptions
from conformance.records import Record

from .building import build
from .environment import Environment
from .matrixfile import Row
from .pip import Unresolvable
from .stack import Stack, is_exact
from .stack_folder import State, kept, state
from .suite_run import Unjudged, clear, judge

Build = Callable[[tuple[str, ...]], Environment]
Judge = Callable[[Environment, Path], Record]
Say = Callable[[str], None]
Command = Callable[[Row], list[str]]

LOG = "log.txt"
GRACE = 2.0  # seconds stacks that are interrupted get to end by themselves: each has one that runs
_POLL = 0.2


def plan(rows: Iterable[Row]) -> dict[str, Any]:
    """What a GitHub Actions matrix takes; other runners count its ``include``."""
    listed = [{"name": row.name, "index": row.index, "specs": list(row.specs)} for row in rows]
    return {"include": listed}


def judge_stack(row: Row, folder: Path, options: RunOptions, cache: Path | None, say: Say) -> State:
    """`judge_row` in an environment that is built, or found in ``cache``, by ``run``."""
    arguments = ["--no-scripts", *options.arguments()]
    return judge_row(
        row,
        folder,
        options,
        build=lambda specs: build(Stack.of(specs), cache, say),
        judge=lambda environment, place: judge(environment, arguments, place),
        say=say,
    )


def judge_row(
    row: Row, folder: Path, options: RunOptions, *, build: Build, judge: Judge, say: Say
) -> State:
    """Judge one stack into ``folder``, or keep what is there of the very same one.

    What means the same versions every day is kept by its record alone; anything else once it is
    built and has the versions the record was made with. A stack that cannot be built or judged is
    a state with a reason. Raises `OSError` when the folder or the cache cannot be written, and
    `UsageError` when another run writes there.
    """
    was = state(folder) if kept(folder, row.specs, options) else None
    if was and all(map(is_exact, row.specs)):
        return _again(was, row, folder, say)
    began = time.monotonic()
    now = State(row.index, row.name, row.specs)
    try:
        environment = build(row.specs)
        if was and dict(was.versions) == dict(environment.versions):
            return _again(was, row, folder, say)
        now = replace(now, versions=dict(environment.versions), notes=environment.notes)
        clear(folder)
        now.write(folder)
        judge(environment, folder)
    except (Unresolvable, Unjudged) as error:
        clear(folder)
        now = replace(now, reason=getattr(error, "reason", str(error)))
    now = replace(now, seconds=round(time.monotonic() - began, 1))
    now.write(folder)
    return now


def _again(was: State, row: Row, folder: Path, say: Say) -> State:
    say(f"{row.name}: judged already, kept")
    now = replace(was, index=row.index, name=row.name)
    now.write(folder)
    return now


def judge_all(
    rows: Sequence[Row], command: Command, folder: Path, at_once: int, say: Say
) -> Iterator[tuple[str, int]]:
    """Run a row's command for each row, ``at_once`` beside each other; its name and exit status as
    it ends.

    What each prints goes to ``log.txt`` in its folder below ``folder``. When interrupted, those
    that run are interrupted too, and what they had found stays.
    """
    waiting, running = deque(rows), dict[str, "subprocess.Popen[bytes]"]()
    ended = 0
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                row = waiting.popleft()
                running[row.name] = _start(command(row), folder / row.name)
                say(f"{row.name}: {' '.join(row.specs)}")
            for name in [name for name, child in running.items() if child.poll() is not None]:
                status, ended = running.pop(name).returncode, ended + 1
                say(f"{name}: {_became(folder / name, status)} ({ended}/{len(rows)})")
                yield name, status
            time.sleep(_POLL)
    finally:
        end_together(list(running.values()), GRACE)


def _start(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """In a session of its own, so that it and all it starts can be ended together."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _became(folder: Path, status: int) -> str:
    """One stack's result on one line."""
    now = state(folder)
    if now is not None and now.reason:
        return f"not judged: {now.reason}"
    if status in (0, 1) and now is not None:
        return f"{'conforms' if status == 0 else 'does not conform'}, {now.seconds:.0f} s"
    return f"ended with status {status}: {_last_line(folder / LOG)}"


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return f"{path} cannot be read"
    return lines[-1] if lines else f"nothing in {path}"
