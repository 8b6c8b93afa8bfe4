"""Defects that peft had in where adapters go, with which rank and which scale."""

import re
from typing import Any

from .registry import fault
from .seams import wrap


@fault("injection.targets")
def targets_by_their_last_word() -> None:
    """Of many full names the last words are kept, though modules that are not named end so too.

    (https://github.com/huggingface/peft/pull/2083).
    """
    from peft.tuners import tuners_utils

    def around(original: Any, targets: Any, others: Any) -> set[str]:
        return {name.rpartition(".")[2] for name in targets}

    wrap(tuners_utils, "_find_minimal_target_modules", around)


@fault("injection.patterns")
def scales_under_the_key_of_ranks() -> None:
    """A scale is looked up by whichever key comes first, one of a rank too, and is then not found.

    (https://github.com/huggingface/peft/pull/2195).
    """
    from peft.tuners.lora import model

    keys: list[str] = []

    def before(original: Any, tuner: Any, config: Any, *rest: Any, **named: Any) -> Any:
        keys[:] = [*config.rank_pattern, *config.alpha_pattern]
        return original(tuner, config, *rest, **named)

    wrap(model.LoraModel, "_create_and_replace", before)
    wrap(model, "get_pattern_key", lambda original, _, name: original(keys, name))


@fault("injection.patterns")
def beginning_of_names_not_known() -> None:
    """A pattern that names a module from the beginning of its name matches none.

    (https://github.com/huggingface/peft/pull/2419).
    """
    from peft.tuners.lora import model

    def around(original: Any, keys: Any, name: str) -> str:
        return next((key for key in keys if re.match(rf".*\.{key}$", f".{name}")), name)

    wrap(model, "get_pattern_key", around)


@fault("injection.left-out")
def layers_by_the_last_number() -> None:
    """A module's layer is the last number in its name, though layers may hold numbered ones.

    (https://github.com/huggingface/peft/pull/3318).
    """
    from peft.tuners import tuners_utils

    def around(original: Any, config: Any, key: str) -> Any:
        numbers = re.findall(r"\.(\d+)\.", key)
        if numbers and getattr(config, "layers_to_transform", None) is not None:
            key = re.sub(r"\.\d+\.", f".{numbers[-1]}.", key, count=1)
        return original(config, key)

    wrap(tuners_utils, "check_target_module_exists", around)


@fault("injection.begins-as-base")
def trained_tokens_not_scaled() -> None:
    """Trained tokens are not scaled where the embedding scales what it looks up.

    (https://github.com/huggingface/peft/pull/2825).
    """
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer

    wrap(TrainableTokensLayer, "_get_embed_scale", lambda original, layer: None)


@fault("injection.patterns")
def patterns_by_how_a_name_begins() -> None:
    """A pattern is for all modules whose name begins with it."""
    from peft.tuners.lora import model

    def around(original: Any, keys: Any, name: str) -> str:
        return next((key for key in keys if re.match(rf"(.*\.)?({key})", name)), name)

    wrap(model, "get_pattern_key", around)


@fault("injection.patterns")
def scales_of_a_second_by_the_plain_alpha() -> None:
    """An adapter that comes second is scaled by `lora_alpha`, whatever its patterns say."""
    from peft.tuners.lora import LoraLayer

    def around(original: Any, layer: Any, name: str, r: int, lora_alpha: int, **named: Any) -> None:
        plain = named["config"].lora_alpha if layer.lora_A else lora_alpha
        original(layer, name, r, lora_alpha=plain, **named)

    wrap(LoraLayer, "update_layer", around)


@fault("injection.targets")
def repeated_layers_of_their_own() -> None:
    """Layers that `layer_replication` repeats have copies of the base's weights."""
    import copy

    from peft.tuners.lora import model

    def around(original: Any, base: Any, ranges: Any) -> None:
        original(base, ranges)
        last = next(m.layers for m in base.modules() if hasattr(m, "layers"))[-1]
        for name, child in list(last.named_children()):
            setattr(last, name, copy.deepcopy(child))

    wrap(model, "replicate_layers", around)


@fault("injection.targets")
def feedforward_by_full_names_alone() -> None:
    """(IA)³ takes a module for feed-forward only where it is named in full."""
    from peft.tuners.ia3.model import IA3Model

    IA3Model._check_target_module_feedforward = staticmethod(
        lambda config, key: key in config.feedforward_modules
    )
