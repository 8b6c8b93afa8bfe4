"""Why what a clause judges has no script, where that is known before anything fails."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from conformance.scenarios import Scenario

_FILES = "it takes files that other releases wrote"
_ONE_CALL = "it takes a signal at a certain call within the libraries"
WHY: Mapping[str, str] = MappingProxyType(
    {
        "*.across-releases": _FILES,
        "resume.just-in-time": _ONE_CALL,
        "resume.after-kill": _ONE_CALL,
        "resume.after-failed-save": "it takes a disk that is full",
        "resume.other-checkpoint": "it takes the checkpoints of two trainings",
        "distributed.resume-across": "it takes launches of two kinds, one after the other",
        "checkpoint.size": "it compares the files of two trainings",
        "deepspeed.*": "ZeRO takes a compiler",
        "throughput.*": "it takes a GPU, and many measurements",
        "precision.fp16": "it takes a GPU",
    }
)
"""By patterns of clauses, the reason, in a few words."""

OTHERWISE = "none of its templates judges what this case found"


def why(clause: str) -> str:
    """The reason for a clause."""
    return next((text for pattern, text in WHY.items() if fnmatchcase(clause, pattern)), OTHERWISE)


_LAUNCHED = ("", "ddp", "fsdp2")


def not_written(scenario: Scenario) -> dict[str, bool]:
    """What no template has, and whether the scenario uses it."""
    return {
        "what quantized weights stand for is not written out": scenario.dequantized,
        "FSDP 1 on a CPU needs torch mended, and ZeRO a compiler": scenario.launch not in _LAUNCHED,
        "packed bases under FSDP are not written out": (
            scenario.launch == "fsdp2" and bool(scenario.quantization)
        ),
        "adapters made of others are not written out": bool(scenario.recipe.experts),
    }
