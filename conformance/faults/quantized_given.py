"""Defects in what quantized layers are told, and in what of them may be trained, merged or cast."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("quantized.variants")
def biases_of_packed_layers_get_no_gradient() -> None:
    """The backward pass of packed layers gives their biases no gradient, without a word."""
    from bitsandbytes.autograd._functions import MatMul4Bit

    original = MatMul4Bit.backward

    def backward(context: Any, gradient: Any) -> Any:
        of_inputs, of_weight, of_output, _, of_state = original(context, gradient)
        return of_inputs, of_weight, of_output, None, of_state

    MatMul4Bit.backward = staticmethod(backward)


@fault("quantized.merge")
def refuses_only_what_is_all_broken() -> None:
    """A safe merge into packed layers refuses an adapter only where nothing of it is finite."""
    from peft.tuners.lora.bnb import Linear4bit, Linear8bitLt

    def around(
        original: Any, layer: Any, safe_merge: bool = False, *rest: Any, **named: Any
    ) -> Any:
        import torch

        finite = any(torch.isfinite(b.weight).any() for b in layer.lora_B.values())
        return original(layer, safe_merge and not finite, *rest, **named)

    for kind in (Linear4bit, Linear8bitLt):
        wrap(kind, "merge", around)


@fault("quantized.close-to-full")
def threshold_of_outliers_not_handed_on() -> None:
    """Layers in 8 bits are not told from where on activations are to be left as they are."""
    from bitsandbytes.nn import Linear8bitLt

    original = Linear8bitLt.__init__

    def deaf(layer: Any, *rest: Any, **named: Any) -> None:
        original(layer, *rest, **{**named, "threshold": 0.0})

    Linear8bitLt.__init__ = deaf


@fault("quantized.prepared")
def packed_floats_cast_as_numbers() -> None:
    """Preparing casts packed weights that are stored in a floating dtype like any others."""
    import peft
    import torch

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        prepared = original(model, *rest, **named)
        for parameter in prepared.parameters():
            if type(parameter).__name__ == "Params4bit" and parameter.is_floating_point():
                parameter.data = parameter.data.to(torch.float32)
        return prepared

    wrap(peft, "prepare_model_for_kbit_training", around)


@fault("quantized.optimizer-states")
def embeddings_not_registered() -> None:
    """Moments of a trained embedding are held in bytes as all others are."""
    from bitsandbytes.optim import GlobalOptimManager

    wrap(GlobalOptimManager, "register_module_override", lambda *_, **__: None)
