"""Defects of methods other than LoRA over quantized bases."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("quantized.methods")
def packed_ia3_a_thousandth_stronger() -> None:
    """(IA)³ over 4-bit weights scales by a thousandth more than what it trains."""
    from peft.tuners.ia3.bnb import Linear4bit

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> Any:
        found = original(layer, *rest, **named)
        return found if layer.disable_adapters else found * 1.001

    wrap(Linear4bit, "forward", around)


@fault("quantized.methods")
def packed_adalora_divided_by_a_rank_more() -> None:
    """AdaLoRA over 8-bit weights divides what it adds by a rank more than it has."""
    from peft.tuners.adalora.bnb import SVDLinear8bitLt

    def around(original: Any, layer: Any, values: Any) -> Any:
        base, found = layer.base_layer(values), original(layer, values)
        ranks = layer.ranknum[layer.active_adapters[0]]
        return base + (found - base) * ranks / (ranks + 1)

    wrap(SVDLinear8bitLt, "forward", around)


@fault("quantized.methods")
def packed_road_merges_half() -> None:
    """Merging RoAd into a 4-bit base rotates every weight half as far as it does beside it."""
    from peft.tuners.road import bnb

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        found = original(*rest, **named)
        import torch

        return (found + torch.eye(len(found), dtype=found.dtype, device=found.device)) / 2

    wrap(bnb, "_get_delta_weight", around)


@fault("quantized.methods")
def packed_pvera_stays_merged() -> None:
    """Unmerging PVeRA from an 8-bit base notes it, and leaves the weights as they are."""
    from peft.tuners.pvera.bnb import Linear8bitLt

    Linear8bitLt.unmerge = lambda layer: layer.merged_adapters.clear()
