"""The ways of launching a training in several processes, and what each can be told beside."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scenario import Scenario

LAUNCHES = ("", "ddp", "fsdp1", "fsdp2", "zero0", "zero1", "zero2", "zero3")
STATE_DICTS = ("full", "sharded")
# What ZeRO moves to the CPU, by the stages that can.
OFFLOADS = {
    "": LAUNCHES,
    "optimizer": ("zero1", "zero2", "zero3"),
    "parameters": ("zero3",),
    "both": ("zero3",),
}


def contradiction(scenario: "Scenario") -> str:
    """What a scenario says of its launch that means nothing, or ""."""
    launch, offload = scenario.launch, scenario.offload
    if launch not in LAUNCHES:
        return f"unknown launch {launch!r}"
    if scenario.state_dict not in STATE_DICTS:
        return f"unknown state dict {scenario.state_dict!r}"
    if offload not in OFFLOADS:
        return f"unknown offload {offload!r}"
    if launch not in OFFLOADS[offload]:
        return f"{launch or 'one process'} cannot offload {offload}"
    if not scenario.use_orig_params and launch != "fsdp1":
        return "only fsdp1 can be told of use_orig_params"
    return ""
