"""What one forked rank does: the training of the scenario, and its observation into a file."""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback

from conformance import subjects
from conformance.compat import Unavailable
from conformance.running import data, placing
from conformance.running.launch.wrappers import OtherLaunch
from conformance.running.measuring import at_the_labels, measured
from conformance.running.observation import Observation
from conformance.running.single import Run
from conformance.running.small_disk import small_disk
from conformance.scenarios import Scenario

HANDED = ("measured", "reduced", "drawing", "shuffling")
"""Options by which the Trainer is handed what is no plain data."""


def run(order: dict[str, Any], result: Path) -> None:
    """Train as the order says (see `fork_server`), and write what this rank saw to ``result``.

    Besides the options of `Run` that are plain data there are ``own_folders``, with which each rank
    writes below a folder of its own, as nodes with disks of their own do, and ``die_at``: the
    process kills itself with SIGKILL at the step of that number, or when it opens a file whose path
    ends like that for writing, or gets a signal at a call: ``{"step", "call", "signal"}`` count the
    calls of functions since the end of that step. ``told_at`` is ``{"step", "event", "waiting"}``:
    SIGTERM comes in that event, when so many steps have been taken. ``slow`` is how many seconds it
    takes to open a file of a checkpoint for writing, ``disk`` how many bytes there is room
    for in its folder. ``patience`` adds early stopping, for so many evaluations, ``measured`` the
    metrics of `conformance.running.measuring`, of logits at the labels where ``reduced`` as well,
    ``drawing`` trains on examples that draw, and ``shuffling`` on a stream that shuffles itself.
    """
    options, folder = dict(order["options"]), Path(order["folder"])
    if options.pop("own_folders", False):
        folder = folder / os.environ["RANK"]
    disk = options.pop("disk", 0)
    _slow_down(options.pop("slow", 0.0))
    scenario = Scenario.from_json(order["scenario"])
    options |= _handed(scenario, [name for name in HANDED if options.pop(name, False)])
    placing.settle()
    training = Run(
        scenario,
        folder,
        subjects.trainer_class(order["trainer"]),
        callbacks=(
            *_killed(options.pop("die_at", None)),
            *_terminated(options.pop("told_at", None)),
            *_stopping(options.pop("patience", 0)),
        ),
        **options,
    )
    with small_disk(folder, disk) if disk else contextlib.nullcontext():
        seen = _outcome(training, order["resume"])
    torch.save(seen, result.with_suffix(".part"))
    result.with_suffix(".part").rename(result)
    if isinstance(seen, Exception):
        raise seen
    if seen.failure is not None:
        raise SystemExit(str(seen.failure))


def _handed(scenario: Scenario, chosen: list[str]) -> dict[str, Any]:
    """The options of `Run` that come of those of `HANDED` that were chosen."""
    given: dict[str, Any] = {}
    if "measured" in chosen:
        given["compute_metrics"] = measured
    if "reduced" in chosen:
        given["preprocess_logits_for_metrics"] = at_the_labels
    if "shuffling" in chosen:
        given["train_dataset"] = data.ShuffledStream(data.training_examples(scenario))
    if "drawing" in chosen:
        given["train_dataset"] = data.Augmented(data.training_examples(scenario))
    return {"trainer_options": given} if given else {}


def _outcome(training: Run, resume_from: str | bool | None) -> Observation | Exception:
    """What was seen, or why there is nothing to judge, for the one who asked."""
    try:
        return training(resume_from)
    except (Unavailable, OtherLaunch) as reason:
        return reason


def _killed(at: int | str | dict[str, int] | None) -> tuple[TrainerCallback, ...]:
    if isinstance(at, dict):
        return (_SignalledAt(**at),)
    if isinstance(at, str):
        _kill_on_opening(at)
    return (_KilledAt(at),) if isinstance(at, int) else ()


def _terminated(at: dict[str, Any] | None) -> tuple[TrainerCallback, ...]:
    return () if at is None else (_TerminatedAt(**at),)


def _stopping(patience: int) -> tuple[TrainerCallback, ...]:
    return (EarlyStoppingCallback(patience),) if patience else ()


class _KilledAt(TrainerCallback):  # type: ignore[misc]
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


class _TerminatedAt(TrainerCallback):  # type: ignore[misc]
    """Sends the process SIGTERM in an event, and goes on when what that set a timer for has come.

    The timer's time is passed over unless ``waiting``: what it is to call is called at once.
    """

    def __init__(self, step: int, event: str, waiting: bool = False) -> None:
        self.step = step
        self.waiting = waiting
        setattr(self, event, self._tell)
        faulthandler.unregister(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # before a Trainer puts its own in place

    def _tell(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step != self.step:
            return
        os.kill(os.getpid(), signal.SIGTERM)
        for timer in [one for one in threading.enumerate() if isinstance(one, threading.Timer)]:
            if not self.waiting:
                timer.cancel()
                timer.function(*timer.args, **timer.kwargs)
            timer.join()


def _kill_on_opening(path: str) -> None:
    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "open" and str(details[0]).endswith(path) and "w" in str(details[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _slow_down(seconds: float) -> None:
    def wait(event: str, details: tuple[Any, ...]) -> None:
        if event == "open" and "checkpoint-" in str(details[0]) and "w" in str(details[1]):
            time.sleep(seconds)

    if seconds:
        sys.addaudithook(wait)
