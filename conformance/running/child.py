"""One training in a process of its own: ``python -m conformance.running.child JSON``.

The JSON names ``scenario`` (fields), ``trainer`` (module:class), ``folder``, ``result`` (a file
that the end state goes to), ``resume`` (a path, true or null) and optionally ``die_at``: the
process kills itself with SIGKILL at the step of that number, or when it opens the file of that name
(below ``folder``) for writing.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from conformance.scenarios import Scenario

TIMEOUT = 100.0  # seconds; starting Python and importing the libraries takes most of ten


def start(
    scenario: Scenario, trainer_class: type, **order: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a child to its end; ``order`` is the rest of what the module's text names."""
    trainer = f"{trainer_class.__module__}:{trainer_class.__qualname__}"
    order = {"scenario": scenario.changed(), "trainer": trainer, **order}
    command = [sys.executable, "-m", "conformance.running.child", json.dumps(order, default=str)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def ending(process: "subprocess.CompletedProcess[str]") -> str:
    """How a child ended, for messages."""
    return f"exit status {process.returncode}, {process.stderr[-500:]}"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_on_opening(path: str) -> None:
    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "open" and str(details[0]).endswith(path) and "w" in str(details[1]):
            _die()

    sys.addaudithook(watch)


def _dying_at(step: int) -> Any:
    from transformers import TrainerCallback

    class Dying(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == step:
                _die()

    return Dying()


def main(text: str) -> None:
    """Do what the JSON says."""
    order = json.loads(text)
    from conformance import subjects

    subjects.prepare()
    import torch

    from .runs import FRESH
    from .single import Run

    die_at = order.get("die_at")
    if isinstance(die_at, str):
        _die_on_opening(die_at)
    callbacks = (_dying_at(die_at),) if isinstance(die_at, int) else ()
    fresh = FRESH if order.get("resume") else {}
    run = Run(
        Scenario.from_json(order["scenario"]),
        Path(order["folder"]),
        subjects.trainer_class(order["trainer"]),
        callbacks=callbacks,
        **fresh,
    )
    seen = run(order.get("resume"))
    if seen.failure is not None:
        sys.exit(str(seen.failure))
    torch.save(dict(seen.steps[-1].after.adapter), order["result"])


if __name__ == "__main__":
    main(sys.argv[1])
