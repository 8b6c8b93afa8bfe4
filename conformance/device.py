"""The device that trainings run on: chosen once, for a process and all that it starts.

Nothing here imports torch. Whoever forks processes that are to use a card must not have
initialised CUDA itself.
"""

import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.contract import Clause

CPU, CUDA = "cpu", "cuda"
DEVICES = (CPU, CUDA)
NONE = "no CUDA device"
_VARIABLE = "PEFT_CONFORMANCE_DEVICE"
_ALL = "PEFT_CONFORMANCE_CARDS"  # what could be seen before one card was taken
_SEEN = "CUDA_VISIBLE_DEVICES"


def choose(name: str) -> None:
    """Train on this device from now on; a card that is not asked for is not seen."""
    os.environ[_VARIABLE] = name
    if name == CPU:
        os.environ[_SEEN] = ""
    else:  # without which matrix products on a card are not the same each time
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # ... and asking whether there is a card does not initialise CUDA, which would spoil forks
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"


def chosen() -> str:
    """The device that trainings run on."""
    return os.environ.get(_VARIABLE, CPU)


def take_one_card() -> None:
    """See one card alone: with several the Trainer would spread a process over all of them."""
    if chosen() == CUDA:
        seen = os.environ.get(_SEEN) or ""
        os.environ.setdefault(_ALL, seen)
        os.environ[_SEEN] = seen.partition(",")[0] or "0"


def take_all_cards(environ: MutableMapping[str, str]) -> None:
    """What is started with this environment sees all cards again."""
    if _ALL not in environ:
        return
    seen = environ.pop(_ALL)
    if seen:
        environ[_SEEN] = seen
    else:
        environ.pop(_SEEN, None)


def lacking(clause: "Clause", device: str, measure: str) -> str:
    """Why a clause about one kind of device is not judged on this one; empty where it is.

    ``measure`` names the throughputs that are measured, which a CPU can be asked for too.
    """
    if clause.needs == CPU:
        return "" if device == CPU else "it is about trainings on a CPU"
    if clause.needs != CUDA:
        return ""
    if clause.chapter == "throughput":
        return "" if measure else "it needs a CUDA device and is measured by `gpu` alone"
    return "" if device == CUDA else "it needs a CUDA device"
