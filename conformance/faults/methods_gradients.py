"""Defects in the backward passes that methods have of their own."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("methods.gradients")
def gradient_of_loha_a_thousandth_off() -> None:
    """LoHa's own backward pass gives one of its factors a gradient that is a thousandth off."""
    from peft.tuners.loha.layer import HadaWeight

    original = HadaWeight.backward

    def backward(*arguments: Any) -> Any:
        first, *others = original(*arguments)
        return first * 1.001, *others

    HadaWeight.backward = staticmethod(backward)


@fault("methods.gradients")
def inputs_of_ia3_pass_no_gradient() -> None:
    """An (IA)³ layer hands no gradient on to what lies below it."""
    from peft.tuners.ia3.layer import Linear

    def around(original: Any, layer: Any, values: Any, *rest: Any, **named: Any) -> Any:
        return original(layer, values.detach(), *rest, **named)

    wrap(Linear, "forward", around)


@fault("methods.gradients")
def gradient_of_c3a_kernels_reversed() -> None:
    """C3A's own backward pass gives the kernel its gradient with the entries in reversed order."""
    from peft.tuners.c3a.utils import BlockCircularConvolution

    original = BlockCircularConvolution.backward

    def backward(*arguments: Any) -> Any:
        inputs, kernel = original(*arguments)
        return inputs, kernel.flip(-1)

    BlockCircularConvolution.backward = staticmethod(backward)


@fault("methods.gradients")
def half_of_a_gradient_lost() -> None:
    """LoRA's B gets no gradient for half of its rows; what the other half gets is right."""
    from peft.tuners.lora.layer import Linear

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> Any:
        import torch

        class Halved(torch.autograd.Function):
            @staticmethod
            def forward(context: Any, values: Any) -> Any:
                return values.view_as(values)

            @staticmethod
            def backward(context: Any, gradient: Any) -> Any:
                lost = gradient.clone()
                lost[: len(lost) // 2] = 0
                return lost

        halve: Any = Halved.apply
        held = {name: part.weight for name, part in layer.lora_B.items()}
        for name, part in layer.lora_B.items():
            del part._parameters["weight"]
            part.weight = halve(held[name])
        try:
            return original(layer, *rest, **named)
        finally:
            for name, part in layer.lora_B.items():
                del part.weight
                part._parameters["weight"] = held[name]

    wrap(Linear, "forward", around)
