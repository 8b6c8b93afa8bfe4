"""Defects in what is asked of a model while an adapter is merged, or of adapters by their names."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("lifecycle.disable")
def merged_stays_in_when_disabled() -> None:
    """An adapter that is disabled while it is merged stays in the base."""
    from peft.tuners.lora.layer import Linear

    def around(original: Any, layer: Any, values: Any, *rest: Any, **named: Any) -> Any:
        if layer.disable_adapters and layer.merged:
            return layer.base_layer(values)
        return original(layer, values, *rest, **named)

    wrap(Linear, "forward", around)


@fault("lifecycle.activate")
def merged_stays_in_when_another_is_activated() -> None:
    """Activating another adapter warns of the one that is merged, and leaves it in the base."""
    from peft.tuners.lora.layer import Linear
    from peft.tuners.tuners_utils import BaseTuner

    def around(original: Any, *rest: Any, **named: Any) -> None:
        unmerge, Linear.unmerge = Linear.unmerge, lambda layer: None
        try:
            original(*rest, **named)
        finally:
            Linear.unmerge = unmerge

    wrap(BaseTuner, "set_adapter", around)


@fault("lifecycle.merge")
def merges_the_active_one_whatever_is_named() -> None:
    """`merge_and_unload` does not hand on which adapters it is told to merge."""
    from peft.tuners.tuners_utils import BaseTuner

    def around(original: Any, tuner: Any, *rest: Any, **named: Any) -> Any:
        return original(tuner, *rest, **{**named, "adapter_names": None})

    wrap(BaseTuner, "merge_and_unload", around)


@fault("lifecycle.delete")
def deleted_adapter_stays_known() -> None:
    """A deleted adapter's name is still taken for that of one that is there, and activated again
    where it comes first.
    """
    from peft.tuners.lora.layer import LoraLayer

    def around(original: Any, layer: Any, name: str) -> None:
        known = layer._all_available_adapter_names()
        layer._all_available_adapter_names = lambda: known
        try:
            original(layer, name)
        finally:
            del layer._all_available_adapter_names

    wrap(LoraLayer, "delete_adapter", around)


@fault("lifecycle.delete")
def first_of_those_deleted_keeps_its_config() -> None:
    """Of a list of adapters that a Transformers model deletes the first keeps its config."""
    from transformers import PreTrainedModel

    def around(original: Any, model: Any, names: Any) -> None:
        first = None if isinstance(names, str) else model.peft_config.get(names[0])
        original(model, names)
        if first is not None:
            model.peft_config[names[0]] = first

    wrap(PreTrainedModel, "delete_adapter", around)


@fault("lifecycle.load")
def further_ones_are_loaded_frozen() -> None:
    """`is_trainable=True` is not heeded for an adapter that is loaded beside another."""
    from peft import PeftModel

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        before = set(model.state_dict())
        found = original(model, *rest, **named)
        for name, parameter in model.named_parameters():
            if name not in before:
                parameter.requires_grad_(False)
        return found

    wrap(PeftModel, "load_adapter", around)


@fault("lifecycle.load")
def name_of_the_adapter_cut_out_everywhere() -> None:
    """An adapter's name is cut out of a key wherever it stands, and not at the end alone.

    (https://github.com/huggingface/peft/pull/2773).
    """
    from peft.tuners import tuners_utils

    def around(original: Any, key: str, name: str) -> str:
        return str(original(key.replace(f".{name}.", "."), name))

    wrap(tuners_utils, "_remove_adapter_name_from_state_dict_key", around)
