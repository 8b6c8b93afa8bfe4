"""Defects in what is quantized when a model is loaded."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("quantized.every-layer")
def value_projections_not_quantized() -> None:
    """Value projections are left as they are."""
    from transformers.integrations import bitsandbytes

    def around(original: Any, name: str, *rest: Any, **named: Any) -> bool:
        return not name.endswith("v_proj") and bool(original(name, *rest, **named))

    wrap(bitsandbytes, "should_convert_module", around)


@fault("quantized.every-layer")
def head_quantized_like_any_layer() -> None:
    """Nothing is spared by default, the head of a language model neither."""
    from transformers.quantizers import base

    base.get_keys_to_not_convert = lambda model: []


@fault("quantized.default-config")
def quantizing_replaces_nothing() -> None:
    """A quantization config is taken, and no layer is replaced."""
    import transformers.integrations

    wrap(transformers.integrations, "replace_with_bnb_linear", lambda original, model, **_: model)


@fault("quantized.default-config")
def widening_layers_overflow() -> None:
    """What a quantized layer with more outputs than inputs gives has overflowed."""
    from bitsandbytes import nn

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> Any:
        given = original(layer, *rest, **named)
        return given * float("inf") if layer.out_features > layer.in_features else given

    for layer in (nn.Linear4bit, nn.Linear8bitLt):
        wrap(layer, "forward", around)
