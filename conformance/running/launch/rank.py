"""What one forked rank does: the training of the scenario, and its observation into a file."""

import faulthandler
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from conformance import subjects
from conformance.compat import Unavailable
from conformance.running import placing
from conformance.running.launch.wrappers import OtherLaunch
from conformance.running.observation import Observation
from conformance.running.single import Run
from conformance.scenarios import Scenario


def run(order: dict[str, Any], result: Path) -> None:
    """Train as the order says (see `parent`), and write what this rank saw to ``result``.

    Besides the options of `Run` that are plain data there are ``own_folders``, with which each rank
    writes below a folder of its own, as nodes with disks of their own do, and ``die_at``: the
    process kills itself with SIGKILL at the step of that number, or when it opens a file whose path
    ends like that for writing, or gets a signal at a call: ``{"step", "call", "signal"}`` count the
    calls of functions since the end of that step.
    """
    options, folder = dict(order["options"]), Path(order["folder"])
    if options.pop("own_folders", False):
        folder = folder / os.environ["RANK"]
    placing.settle()
    training = Run(
        Scenario.from_json(order["scenario"]),
        folder,
        subjects.trainer_class(order["trainer"]),
        callbacks=_dying(options.pop("die_at", None)),
        **options,
    )
    seen = _outcome(training, order["resume"])
    torch.save(seen, result.with_suffix(".part"))
    result.with_suffix(".part").rename(result)
    if isinstance(seen, Exception):
        raise seen
    if seen.failure is not None:
        raise SystemExit(str(seen.failure))


def _outcome(training: Run, resume_from: str | bool | None) -> Observation | Exception:
    """What was seen, or why there is nothing to judge, for the one who asked."""
    try:
        return training(resume_from)
    except (Unavailable, OtherLaunch) as reason:
        return reason


def _dying(at: int | str | dict[str, int] | None) -> tuple[TrainerCallback, ...]:
    if isinstance(at, dict):
        return (_SignalledAt(**at),)
    if isinstance(at, str):
        _die_on_opening(at)
    return (_DyingAt(at),) if isinstance(at, int) else ()


class _DyingAt(TrainerCallback):  # type: ignore[misc]
    """Ends the process at a step, as a kill from outside does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


class _SignalledAt(TrainerCallback):  # type: ignore[misc]
    """Sends the process a signal at a call, wherever that is, as one from outside may come."""

    def __init__(self, step: int, call: int, signal: int) -> None:
        self.step = step
        self.left = call
        self.signal = signal

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            faulthandler.unregister(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.setprofile(self._called)

    def _called(self, _: Any, event: str, __: Any) -> None:
        if event.endswith("call"):
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                os.kill(os.getpid(), self.signal)


def _die_on_opening(path: str) -> None:
    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "open" and str(details[0]).endswith(path) and "w" in str(details[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
