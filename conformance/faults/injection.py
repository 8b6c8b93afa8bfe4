"""Defects in how adapters get in."""

from typing import Any

from .registry import fault
from .seams import adapter_weight, frozen_weight, wrap


def _after_wrapping(act: Any) -> None:
    import peft

    def around(original: Any, *arguments: Any, **named: Any) -> Any:
        model = original(*arguments, **named)
        act(model)
        return model

    wrap(peft, "get_peft_model", around)


def _after_adding(act: Any) -> None:
    from transformers.integrations.peft import PeftAdapterMixin

    def around(original: Any, model: Any, *arguments: Any, **named: Any) -> Any:
        result = original(model, *arguments, **named)
        act(model)
        return result

    wrap(PeftAdapterMixin, "add_adapter", around)


@fault("injection.get-peft-model")
def one_wrapped_adapter_weight_frozen() -> None:
    """`get_peft_model` leaves one of the adapter's weights frozen."""
    _after_wrapping(lambda model: adapter_weight(model).requires_grad_(False))


@fault("injection.add-adapter")
def a_base_weight_left_trainable() -> None:
    """`add_adapter` leaves a base weight trainable."""
    _after_adding(lambda model: frozen_weight(model).requires_grad_(True))


@fault("injection.equivalent")
def added_adapters_scaled_otherwise() -> None:
    """`add_adapter` scales one layer's adapter by 1.001."""

    def scale(model: Any) -> None:
        layer = next(m for m in model.modules() if isinstance(getattr(m, "scaling", None), dict))
        for name in layer.scaling:
            layer.scaling[name] *= 1.001

    _after_adding(scale)


@fault("injection.default-targets")
def defaults_lose_a_module() -> None:
    """The documented default targets of Llama lose a module."""
    from peft.utils import constants

    mapping = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    mapping["llama"] = mapping["llama"][:1]
