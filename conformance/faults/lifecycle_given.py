"""Defects that peft had in second adapters, and in merging other than plain ones."""

from typing import Any
from unittest import mock

from .registry import fault
from .seams import wrap


@fault("lifecycle.add")
def adapters_of_adapters() -> None:
    """What a second adapter's expression matches in the first one's layers gets an adapter too.

    (https://github.com/huggingface/peft/pull/2539).
    """
    from peft.tuners import tuners_utils

    layers = tuners_utils.BaseTunerLayer

    def around(original: Any, tuner: Any, *rest: Any, **named: Any) -> Any:
        tuners_utils.BaseTunerLayer = type("Nothing", (), {})
        try:
            return original(tuner, *rest, **named)
        finally:
            tuners_utils.BaseTunerLayer = layers

    wrap(tuners_utils.BaseTuner, "inject_adapter", around)


@fault("lifecycle.refused")
def names_given_twice() -> None:
    """A second adapter takes the place of one of its name.

    (https://github.com/huggingface/peft/pull/3559).
    """
    from peft import PeftModel

    def around(original: Any, model: Any, name: str, *rest: Any, **named: Any) -> Any:
        model.peft_config.pop(name, None)
        return original(model, name, *rest, **named)

    wrap(PeftModel, "add_adapter", around)


@fault("lifecycle.refused")
def second_adapter_of_nothing() -> None:
    """A second adapter that finds no module to sit on is taken.

    (https://github.com/huggingface/peft/pull/3534).
    """
    from peft.tuners import tuners_utils

    def around(original: Any, tuner: Any, *rest: Any, **named: Any) -> Any:
        try:
            return original(tuner, *rest, **named)
        except ValueError:
            if len(tuner.peft_config) < 2:
                raise

    wrap(tuners_utils.BaseTuner, "inject_adapter", around)


@fault("lifecycle.refused")
def merged_adapters_deleted() -> None:
    """An adapter that is merged can be deleted, and its values stay in the base.

    (https://github.com/huggingface/peft/pull/3504).
    """
    from peft.tuners import tuners_utils

    wrap(tuners_utils, "_check_adapters_not_merged", lambda *_: None)


@fault("lifecycle.delete")
def copies_of_modules_left_in_place() -> None:
    """Where the deleted adapter alone had copies of modules, they stay where they were.

    (https://github.com/huggingface/peft/pull/2466).
    """
    from peft.utils.other import ModulesToSaveWrapper

    wrap(ModulesToSaveWrapper, "delete_adapter", lambda *_, **__: None)


@fault("lifecycle.merge")
def embeddings_of_dora_unscaled() -> None:
    """DoRA does not scale what it adds to an embedding that scales.

    (https://github.com/huggingface/peft/pull/2839).
    """
    from peft.tuners.lora.layer import Embedding
    from peft.tuners.lora.variants import DoraEmbeddingVariant

    forward = DoraEmbeddingVariant.forward

    def unscaled(module: Any, *rest: Any, **named: Any) -> Any:
        with mock.patch.object(Embedding, "_get_embed_scale", lambda _: None):
            return forward(module, *rest, **named)

    DoraEmbeddingVariant.forward = staticmethod(unscaled)


@fault("lifecycle.delete")
def lengths_left_behind() -> None:
    """The magnitudes of a deleted DoRA adapter stay in the model.

    (https://github.com/huggingface/peft/pull/3376).
    """
    from peft.tuners.lora import LoraLayer

    def around(original: Any, layer: Any, name: str) -> None:
        held = layer.lora_magnitude_vector
        kept = held[name] if name in held else None  # noqa: SIM401 - no `get` there
        original(layer, name)
        if kept is not None:
            held[name] = kept

    wrap(LoraLayer, "delete_adapter", around)


@fault("lifecycle.merge")
def biases_merged_unscaled() -> None:
    """The bias of a LoRA's B is merged as it is, not scaled as the rest.

    (https://github.com/huggingface/peft/pull/2489).
    """
    from peft.tuners.lora.layer import Linear

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> None:
        bias = layer.get_base_layer().bias
        before = None if bias is None else bias.detach().clone()
        original(layer, *rest, **named)
        for name in layer.merged_adapters:
            if before is not None and layer.lora_bias.get(name):
                bias.data = before + layer.lora_B[name].bias.data

    wrap(Linear, "merge", around)


@fault("lifecycle.merge")
def embeddings_not_scaled() -> None:
    """What an adapter adds to an embedding is not scaled with what that looks up.

    (https://github.com/huggingface/peft/pull/2825).
    """
    from peft.tuners.lora.layer import Embedding

    wrap(Embedding, "_get_embed_scale", lambda original, layer: None)


@fault("lifecycle.activate")
def copies_stay_where_the_next_has_none() -> None:
    """Copies of whole modules stay at work when an adapter is activated that has none."""
    from peft.utils.other import ModulesToSaveWrapper

    def around(original: Any, wrapper: Any, names: Any, *rest: Any, **named: Any) -> None:
        if names:
            original(wrapper, names, *rest, **named)

    wrap(ModulesToSaveWrapper, "set_adapter", around)


@fault("injection.loaded-to-train")
def tokens_loaded_to_be_used_train() -> None:
    """Single tokens of an adapter that is loaded without `is_trainable` ask for gradients."""
    from peft.utils.other import TrainableTokensWrapper

    def around(original: Any, wrapper: Any, names: Any, *rest: Any, **named: Any) -> None:
        original(wrapper, names, *rest, **named)
        wrapper.token_adapter.set_adapter(names)

    wrap(TrainableTokensWrapper, "set_adapter", around)


@fault("lifecycle.add")
def second_classifier_without_a_head() -> None:
    """A classifier's second adapter gets no head of its own.

    (https://github.com/huggingface/peft/pull/1615).
    """
    from peft import PeftModel, PeftModelForSequenceClassification

    def add(model: Any, *rest: Any, **named: Any) -> Any:
        return PeftModel.add_adapter(model, *rest, **named)

    PeftModelForSequenceClassification.add_adapter = add
