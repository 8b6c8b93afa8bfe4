"""Defects of offloading and of 4-bit bases under DeepSpeed; they are of the chapter distributed."""

from collections.abc import Iterator
from typing import Any

from .deepspeed import deepspeed
from .distributed import _rank
from .seams import on_event, wrap


@deepspeed("deepspeed.offload")
def nothing_offloaded() -> None:
    """DeepSpeed is not told to move anything to the CPU."""
    import deepspeed as package

    def around(original: Any, *given: Any, **named: Any) -> Any:
        asked: Any = named.get("config") or named.get("config_params")
        for part in ("offload_optimizer", "offload_param"):
            asked["zero_optimization"].pop(part, None)
        return original(*given, **named)

    wrap(package, "initialize", around)


@deepspeed("deepspeed.offload")
def offloaded_steps_too_long() -> None:
    """The optimizer that steps on the CPU takes steps that are 1 % too long."""
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    def around(original: Any, optimizer: Any, *given: Any, **named: Any) -> Any:
        for group in optimizer.param_groups:
            group["lr"] *= 1.01
        try:
            return original(optimizer, *given, **named)
        finally:
            for group in optimizer.param_groups:
                group["lr"] /= 1.01

    wrap(DeepSpeedCPUAdam, "step", around)


@deepspeed("deepspeed.qlora")
def packed_scale_off_under_zero() -> None:
    """On the second rank one block of a packed weight ends with a scale 1e-7 larger."""

    def nudge(model: Any, state: Any) -> None:
        if _rank() == 1 and state.global_step == state.max_steps:
            weight = next(_weights(model))
            weight.quant_state.absmax.view(-1)[:1].add_(1e-7)

    on_event("on_step_end", nudge)


@deepspeed("deepspeed.qlora")
def part_of_a_packed_weight_moves() -> None:
    """Under ZeRO 3 one byte of the first rank's part of a packed weight is another at the end."""
    import torch

    def nudge(model: Any, state: Any) -> None:
        parts = [weight.ds_tensor for weight in _weights(model) if hasattr(weight, "ds_tensor")]
        if parts and _rank() == 0 and state.global_step == state.max_steps:
            parts[0].data.view(-1).view(torch.uint8)[:1].add_(1)

    on_event("on_step_end", nudge)


def _weights(model: Any) -> Iterator[Any]:
    yield from (p for p in model.parameters() if getattr(p, "quant_state", None) is not None)
