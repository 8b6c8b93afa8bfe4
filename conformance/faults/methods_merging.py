"""Defects that peft had in merging methods other than LoRA."""

import math
from typing import Any

from .registry import fault
from .seams import wrap


@fault("methods.merge")
def biases_scaled_twice() -> None:
    """Unmerging IA³ multiplies biases once more, instead of dividing them.

    (https://github.com/huggingface/peft/pull/3216).
    """
    from peft.tuners.ia3.layer import Linear

    def around(original: Any, layer: Any) -> None:
        bias, names = layer.get_base_layer().bias, list(layer.merged_adapters)
        merged = None if bias is None else bias.detach().clone()
        original(layer)
        for name in names:
            if merged is not None:
                scale = layer.ia3_l[name].data.reshape(merged.shape)
                layer.get_base_layer().bias.data = merged * scale

    wrap(Linear, "unmerge", around)


@fault("methods.safe-merge")
def merged_before_it_is_looked_at() -> None:
    """GLoRA refuses to merge NaN safely when the weight holds it already.

    (https://github.com/huggingface/peft/pull/3411).
    """
    from peft.tuners.glora.layer import GloraLayer

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> None:
        try:
            original(layer, *rest, **named)
        except ValueError:
            layer.get_base_layer().weight.data.fill_(math.nan)
            raise

    wrap(GloraLayer, "merge", around)
