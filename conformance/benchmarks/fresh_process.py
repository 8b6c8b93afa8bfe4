"""Measurements in fresh processes, and smaller ones where the memory does not suffice."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance import cards
from conformance.cards import Card, count
from conformance.compat import Unavailable
from conformance.device import CPU, CUDA, take_all_cards
from conformance.redacting import redacted

from .cases import ACCELERATE, PYTHON, TORCHRUN, Training
from .measuring import Measured, Order

LOOK = 1.0  # seconds between two looks at the card
LAST_WORDS = 1500  # characters kept of what a process said before it failed

Attempt = Callable[[Order], Measured]


class MeasuringFailed(Exception):
    """A measuring process ended without a result; the message holds its last words."""


class TooLarge(AssertionError):
    """Not even one row at a time fits; the message tells what was asked and what there was."""


def measured(order: Order, attempt: Attempt | None = None) -> Measured:
    """Measure, with micro-batches halved until they fit; each try in a fresh process.

    The rows of an optimizer step stay the same. Each batch that did not fit is in the figures, as
    ``full_at_N``. Raises `TooLarge`, `MeasuringFailed`, and `Unavailable` for what cannot be had.
    """
    attempt = attempt or in_a_process
    refused: dict[str, float | int | str] = {}
    while True:
        found = attempt(order)
        if not found.full:
            found.figures |= refused
            return found
        batch = order.training.batch
        refused[f"full_at_{batch}"] = _told(found.full)
        if batch == 1:
            raise TooLarge(f"out of memory at 1 row of {order.training.sequence} tokens: {refused}")
        order = replace(order, training=_halved(order.training))


def _halved(training: Training) -> Training:
    """Smaller micro-batches of the same step, as far as it divides."""
    batch = training.batch // 2
    return replace(training, batch=batch, accumulation=-(-training.rows // batch))


def _told(full: Mapping[str, Any]) -> str:
    sizes = {
        name: f"{value / 2**30:.2f} GiB"
        for name, value in full.items()
        if name not in ("message", "batch")
    }
    numbers = ", ".join(f"{name.replace('_', ' ')} {size}" for name, size in sizes.items())
    return f"{numbers}; {full['message']}" if numbers else str(full["message"])


def in_a_process(
    order: Order, python: str = sys.executable, environ: Mapping[str, str] | None = None
) -> Measured:
    """Measure once, in a process of ``python`` with this environment, by default this one's."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "order.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(order.to_json()), encoding="utf-8")
        command = [*launcher(order, python), str(asked), str(answer)]
        with _watching(order) as looks:
            said = subprocess.run(
                command,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=_environment(order, environ or {**os.environ, **_paths()}),
            )
        found = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
        if not found or (said.returncode and not found.get("full")):
            words = redacted(said.stdout)[-LAST_WORDS:]
            raise MeasuringFailed(f"exit status {said.returncode}\n{words}")
    if "unavailable" in found:
        raise Unavailable(found["unavailable"])
    result = Measured(**found)
    result.figures |= cards.over_time(looks)
    return result


def launcher(order: Order, python: str) -> list[str]:
    """The command, but for its arguments, that launches a measurement as users launch trainings.

    A card is a rank, and several are several; a CPU is two ranks of torchrun, and one of
    Accelerate, which starts several on a CPU by MPI alone.
    """
    program = ["-m", "conformance.benchmarks.worker"]
    ranks = count() if order.device == CUDA else 2
    if order.training.launch == TORCHRUN:
        given = ["--standalone", f"--nproc-per-node={ranks}"]
        return [python, "-m", "torch.distributed.run", *given, *program]
    if order.training.launch == ACCELERATE:
        several = order.device == CUDA and ranks > 1
        given = ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
        given += [f"--num_processes={ranks if several else 1}"]
        given += ["--multi_gpu"] if several else ["--cpu"] if order.device == CPU else []
        return [python, "-m", "accelerate.commands.launch", *given, *program]
    return [python, *program]


def _environment(order: Order, environ: Mapping[str, str]) -> dict[str, str]:
    """One card for a plain process, all of them for a launcher."""
    found = dict(environ)
    if order.training.launch != PYTHON:
        take_all_cards(found)
    elif order.device == CUDA and not found.get("CUDA_VISIBLE_DEVICES"):
        found["CUDA_VISIBLE_DEVICES"] = "0"
    return found


def _paths() -> dict[str, str]:
    """So that the process finds this project however this one found it."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@contextmanager
def _watching(order: Order) -> Iterator[list[Card]]:
    """Looks at the first card while a measurement runs; none where there is no card."""
    looks: list[Card] = []
    if order.device != "cuda" or not cards.look():
        yield looks
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            looks.extend(cards.look()[:1])

    thread = threading.Thread(target=watch, name="card", daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()
