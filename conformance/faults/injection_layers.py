"""Defects in where adapters go, what they begin with, and what is reported of them."""

from typing import Any

from .registry import fault
from .seams import wrap


def _configs(act: Any) -> None:
    """Call ``act(config)`` for each LoRA config when it has been made."""
    from peft import LoraConfig

    def around(original: Any, config: Any) -> None:
        original(config)
        act(config)

    wrap(LoraConfig, "__post_init__", around)


@fault("injection.left-out")
def excluded_modules_forgotten() -> None:
    """`exclude_modules` is not looked at."""
    _configs(lambda config: setattr(config, "exclude_modules", None))


@fault("injection.left-out")
def all_layers_up_to_the_one_named() -> None:
    """`layers_to_transform` reaches all layers up to the last one that it names."""

    def widen(config: Any) -> None:
        if isinstance(config.layers_to_transform, list):
            config.layers_to_transform = list(range(max(config.layers_to_transform) + 1))

    _configs(widen)


def _drawn(act: Any) -> None:
    """Call ``act(layer, adapter)`` when the matrices of an adapter have been drawn."""
    import torch
    from peft.tuners.lora.layer import LoraLayer

    def around(original: Any, layer: Any, adapter: str, *rest: Any) -> None:
        original(layer, adapter, *rest)
        if adapter in layer.lora_A and rest[:1] != (False,):
            with torch.no_grad():
                act(layer, adapter)

    wrap(LoraLayer, "reset_lora_parameters", around)


@fault("injection.begins-as-base")
def second_matrix_almost_zero() -> None:
    """One value of each B is 1e-6 to begin with."""
    _drawn(lambda layer, adapter: layer.lora_B[adapter].weight.view(-1)[:1].fill_(1e-6))


@fault("injection.begins-as-base")
def first_matrix_too_narrow() -> None:
    """A is drawn over half the range, as if its bound were that of a plain layer's gain."""
    _drawn(lambda layer, adapter: layer.lora_A[adapter].weight.mul_(0.5))


@fault("injection.dropout")
def dropout_a_fifth_more() -> None:
    """The dropout of the adapter is a fifth more than asked for."""
    _configs(lambda config: setattr(config, "lora_dropout", config.lora_dropout * 1.2))


@fault("injection.dropout")
def dropout_never_on() -> None:
    """The dropout of the adapter is not applied."""
    _configs(lambda config: setattr(config, "lora_dropout", 0.0))


@fault("injection.counts")
def copies_not_counted() -> None:
    """Trained copies of whole modules do not count as trainable."""
    from peft import PeftModel

    def around(original: Any, model: Any) -> tuple[int, int]:
        trained, everything = original(model)
        copies = (p for n, p in model.named_parameters() if "modules_to_save" in n)
        return trained - sum(p.numel() for p in copies), everything

    wrap(PeftModel, "get_nb_trainable_parameters", around)


@fault("injection.loaded-to-train")
def always_loaded_for_inference() -> None:
    """`is_trainable` of `from_pretrained` is not looked at."""
    from peft import PeftModel

    original: Any = PeftModel.from_pretrained

    def loaded(cls: Any, /, *rest: Any, is_trainable: bool = False, **named: Any) -> Any:
        return original.__func__(cls, *rest, **named)

    setattr(PeftModel, "from_pretrained", classmethod(loaded))  # noqa: B010


@fault("injection.loaded-to-train")
def loaded_adapter_left_trainable() -> None:
    """An adapter that was loaded for inference asks for gradients."""
    from transformers import PreTrainedModel

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        found = original(model, *rest, **named)
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.requires_grad_(True)
        return found

    wrap(PreTrainedModel, "load_adapter", around)


@fault("injection.dropout")
def dropout_behind_a_over_int8() -> None:
    """Over an int8 base what A gives is dropped out, instead of what reaches it."""
    from peft.tuners.lora.bnb import Linear8bitLt

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> None:
        original(layer, *rest, **named)
        for name, dropout in list(layer.lora_dropout.items()):
            layer.lora_A[name].register_forward_hook(lambda _, given, got, by=dropout: by(got))
            layer.lora_dropout[name] = type(dropout)(0.0)

    wrap(Linear8bitLt, "update_layer", around)


@fault("injection.left-out")
def excluded_by_the_beginning_of_a_name() -> None:
    """`exclude_modules` as an expression excludes what only begins as it says."""
    import re

    from peft.tuners import tuners_utils

    def around(original: Any, config: Any, key: str) -> Any:
        excluded = config.exclude_modules
        if isinstance(excluded, str) and re.match(excluded, key):
            return tuners_utils._ExcludedModule()
        return original(config, key)

    wrap(tuners_utils, "check_target_module_exists", around)


@fault("injection.dropout")
def second_drops_from_what_the_first_left() -> None:
    """Of two adapters that act together the second gets inputs which the first one's dropout has
    been at as well.
    """
    from peft.tuners.lora.layer import Linear

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> Any:
        first, *others = (n for n in layer.active_adapters if n in layer.lora_dropout)
        hooks = [
            layer.lora_dropout[name].register_forward_pre_hook(
                lambda _, inputs: (layer.lora_dropout[first](inputs[0]),), prepend=True
            )
            for name in others
        ]
        try:
            return original(layer, *rest, **named)
        finally:
            for hook in hooks:
                hook.remove()

    wrap(Linear, "forward", around)
