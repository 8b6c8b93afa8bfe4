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


@fault("fsdp.qlora")
def storage_does_not_override() -> None:
    """The policy that mixed precision asked for stays, whatever packed weights are stored in."""
    from accelerate import FullyShardedDataParallelPlugin

    def around(original: Any, plugin: Any, precision: Any, *rest: Any, **named: Any) -> None:
        original(plugin, precision, *rest, **{**named, "override": False})

    wrap(FullyShardedDataParallelPlugin, "set_mixed_precision", around)


@fault("fsdp.peft-policy-applied")
def policy_wraps_linear_layers_alone() -> None:
    """Trained copies of embeddings or norms share a flat parameter with what is frozen."""
    from torch.distributed.fsdp import wrap as module

    def around(original: Any, *rest: Any, lambda_fn: Any, **named: Any) -> Any:
        import torch

        def linear(layer: Any) -> bool:
            return isinstance(layer, torch.nn.Linear) and lambda_fn(layer)

        return original(*rest, lambda_fn=linear, **named)

    wrap(module, "lambda_auto_wrap_policy", around)
