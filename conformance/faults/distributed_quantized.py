"""Defects of 4-bit bases that FSDP shards; they are of the chapter distributed."""

from collections.abc import Iterator
from typing import Any

from .distributed import _rank
from .registry import fault
from .seams import on_event, wrap


def _packed(model: Any) -> Iterator[Any]:
    """The layers that hold packed weights."""
    found = (m for m in model.modules() if vars(m).get("quant_state") is not None)
    yield from found


@fault("fsdp.qlora")
def scale_of_a_sharded_weight_off() -> None:
    """On the second rank one block of a packed weight ends with a scale 1e-7 larger."""

    def nudge(model: Any, state: Any) -> None:
        if _rank() == 1 and state.global_step == state.max_steps:
            next(_packed(model)).quant_state.absmax.view(-1)[:1].add_(1e-7)

    on_event("on_step_end", nudge)


@fault("fsdp.qlora")
def packed_weight_moves() -> None:
    """On the first rank one element of its part of a packed weight is another at the end."""

    def nudge(model: Any, state: Any) -> None:
        weights = [layer.weight.data for layer in _packed(model)] if _rank() == 0 else []
        mine = [getattr(weight, "_local_tensor", weight) for weight in weights]
        if state.global_step == state.max_steps and mine:
            next(each for each in mine if each.numel()).view(-1)[:1].mul_(1.5)

    on_event("on_step_end", nudge)


@fault("fsdp.qlora")
def packed_weights_not_sharded() -> None:
    """FSDP 2 leaves packed weights out, as it has to where they are stored as integers."""
    import accelerate.accelerator

    def around(original: Any, accelerator: Any, model: Any) -> Any:
        accelerator.state.fsdp_plugin.ignored_modules = list(_packed(model))
        return original(accelerator, model)

    wrap(accelerate.accelerator, "fsdp2_prepare_model", around)
