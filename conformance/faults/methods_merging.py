"""Defects in what methods begin with, and that peft had in merging others than LoRA."""

import math
from typing import Any

from .registry import fault
from .seams import config_saved_with, wrap


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


@fault("methods.begins-as-base")
def singular_values_begin_at_random() -> None:
    """AdaLoRA's singular values begin at random (https://github.com/huggingface/peft/pull/1884)."""
    from peft.tuners.adalora.layer import AdaLoraLayer

    def around(original: Any, layer: Any, name: str) -> None:
        original(layer, name)
        if name in layer.lora_E:
            layer.lora_E[name].data.normal_(0.0, 0.02)

    wrap(AdaLoraLayer, "reset_lora_parameters", around)


@fault("methods.begins-as-base")
def reflections_that_do_not_cancel_out() -> None:
    """The reflections of HRA are all drawn, and not in pairs that undo each other."""
    from peft.tuners.hra.layer import HRALayer

    def around(original: Any, layer: Any, name: str) -> None:
        original(layer, name)
        layer.hra_u[name].data.normal_()

    wrap(HRALayer, "reset_hra_parameters", around)


@fault("methods.initializations")
def scaled_twice_as_it_is_converted() -> None:
    """PiSSA with `use_rslora` is converted with a scale of its whole rank.

    (https://github.com/huggingface/peft/pull/1930).
    """
    config_saved_with(use_rslora=False)


@fault("methods.merge")
def last_of_two_merged_alone() -> None:
    """Of adapters of LoHa or LoKr that are merged at once the last is, and all are noted."""
    from peft.tuners.lycoris_utils import LycorisLayer

    _merges_the_last(LycorisLayer)


@fault("methods.merge")
def tokens_of_the_last_one_alone() -> None:
    """Of adapters of trained tokens that are merged at once the last one's rows alone stay."""
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer

    _merges_the_last(TrainableTokensLayer)


def _merges_the_last(kind: type) -> None:
    def around(
        original: Any, layer: Any, safe_merge: bool = False, adapter_names: Any = None
    ) -> None:
        names = list(adapter_names or layer.active_adapters)
        original(layer, safe_merge, names[-1:])
        layer.merged_adapters[:0] = names[:-1]

    wrap(kind, "merge", around)


@fault("methods.safe-merge")
def bias_not_rotated_in_a_safe_merge() -> None:
    """RoAd rotates a bias for the look at it that a safe merge takes, and does not keep it."""
    from peft.tuners.road.layer import Linear

    def around(
        original: Any, layer: Any, safe_merge: bool = False, adapter_names: Any = None
    ) -> None:
        bias = layer.get_base_layer().bias
        before = None if bias is None else bias.detach().clone()
        original(layer, safe_merge, adapter_names)
        if safe_merge and before is not None:
            layer.get_base_layer().bias.data = before

    wrap(Linear, "merge", around)


@fault("methods.begins-as-base")
def second_norms_begin_as_the_first() -> None:
    """A second adapter of LNTuning begins with the norms that the first has trained."""
    from peft.tuners.ln_tuning.layer import LNTuningLayer

    def around(original: Any, layer: Any, norm: Any, name: str, *rest: Any, **named: Any) -> None:
        others = list(layer.ln_tuning_layers.values())
        original(layer, others[0] if others else norm, name, *rest, **named)

    wrap(LNTuningLayer, "update_layer", around)


@fault("methods.merge")
def merged_onto_what_is_merged() -> None:
    """HiRA multiplies the weight with an earlier adapter in it, and not the base's.

    (https://github.com/huggingface/peft/pull/3482).
    """
    from peft.tuners.hira.layer import HiraLayer

    def around(original: Any, layer: Any) -> Any:
        original(layer)  # which unmerging goes by
        return layer.get_base_layer().weight.data.clone()

    wrap(HiraLayer, "_get_base_weight_before_merge", around)
