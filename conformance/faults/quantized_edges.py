"""Defects in evaluating, merging and refusing quantized bases, and in what else goes over them."""

import warnings
from collections.abc import Callable
from typing import Any

from .quantized_seams import at_the_last_step, on_gradients, scales_of, weight_of
from .registry import fault
from .seams import frozen_weight, on_trainer, rewrite_adapter, wrap

# ---- saving ----------------------------------------------------------------------------------


@fault("quantized.base-identical")
def saving_forgets_a_setting() -> None:
    """Saving the model leaves one packed weight with another block size in its state's settings."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        if named.get("_internal_call"):
            return
        weight = weight_of(trainer.model)[1]
        if hasattr(weight, "quant_state"):
            weight.blocksize *= 2

    on_trainer("save_model", around)


@fault("quantized.resume")
def resume_forgets_a_setting() -> None:
    """A resume leaves one packed weight to be packed with another block size from then on."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        weight = weight_of(trainer.model)[1]
        if hasattr(weight, "quant_state"):
            weight.blocksize *= 2

    on_trainer("_load_from_checkpoint", around)


# ---- evaluating, variants, heads ------------------------------------------------------------


@fault("quantized.evaluation")
def evaluation_moves_the_scales() -> None:
    """Evaluating rounds the scales of a quantized weight to bfloat16."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        found = original(trainer, *rest, **named)
        scales = scales_of(trainer.model)
        scales.copy_(scales.bfloat16())
        return found

    on_trainer("evaluate", around)


@fault("quantized.evaluation")
def evaluation_lets_gradients_go() -> None:
    """After an evaluation the first adapter over a quantized base gets no gradient any more."""
    evaluated: list[int] = []

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        evaluated.append(trainer.state.global_step)
        return original(trainer, *rest, **named)

    def forget(trainer: Any, held: list[Any]) -> None:
        if trainer.state.global_step in evaluated and trainer.eval_dataset is not None:
            for parameter in held[:1]:
                parameter.grad = None

    on_trainer("evaluate", around)
    on_gradients(forget)


@fault("quantized.variants")
def variants_move_the_base() -> None:
    """Training a variant moves the scales of a quantized weight by a millionth."""
    at_the_last_step(lambda model: scales_of(model).mul_(1 + 1e-6))


@fault("quantized.variants")
def copies_over_a_quantized_base_not_written() -> None:
    """Trained copies of modules, and DoRA's magnitudes, are left out of checkpoints."""

    def lora_alone(held: dict[str, Any]) -> dict[str, Any]:
        return {n: t for n, t in held.items() if ".lora_A." in n or ".lora_B." in n}

    rewrite_adapter(lora_alone)


@fault("quantized.classification-head")
def modules_to_skip_are_quantized() -> None:
    """Modules named as not to be quantized are quantized all the same."""
    from transformers.quantizers.base import HfQuantizer

    HfQuantizer.get_modules_to_not_convert = staticmethod(lambda *_, **__: [])


@fault("quantized.classification-head")
def quantized_classifier_trains_its_original_head() -> None:
    """The original of a quantized classifier's head follows its trained copy."""
    from peft.utils.other import ModulesToSaveWrapper

    def share(model: Any) -> None:
        for module in model.modules():
            if isinstance(module, ModulesToSaveWrapper):
                copy = module.modules_to_save["default"]
                module.original_module.weight.data.copy_(copy.weight.data)

    at_the_last_step(share)


# ---- optimizers, merging, refusals ----------------------------------------------------------


@fault("quantized.optimizer-states")
def moments_in_32_bits() -> None:
    """8-bit optimizers hold the moments of all tensors in float32."""
    from bitsandbytes.optim.optimizer import Optimizer8bit

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        return {**original(*rest, **named), "min_8bit_size": 2**62}

    wrap(Optimizer8bit, "get_config", around)


@fault("quantized.optimizer-states")
def scales_of_moments_not_restored() -> None:
    """A resume brings 8-bit moments back at scales that are 0.1 % off."""
    from bitsandbytes.optim.optimizer import Optimizer8bit

    def around(original: Any, optimizer: Any, *rest: Any, **named: Any) -> None:
        original(optimizer, *rest, **named)
        for state in optimizer.state.values():
            if "absmax1" in state:
                state["absmax1"].mul_(1.001)

    wrap(Optimizer8bit, "load_state_dict", around)


@fault("quantized.optimizer-steps")
def decay_of_their_own() -> None:
    """Optimizers of bitsandbytes decay by their own default, whatever the groups say."""
    from bitsandbytes.optim.optimizer import Optimizer8bit

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        return {**original(*rest, **named), "weight_decay": 0.01}

    wrap(Optimizer8bit, "get_config", around)


@fault("quantized.optimizer-steps")
def betas_change_places() -> None:
    """Optimizers of bitsandbytes take the first beta for the second."""
    from bitsandbytes.optim.optimizer import Optimizer8bit

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        config = original(*rest, **named)
        return {**config, "betas": config["betas"][::-1]}

    wrap(Optimizer8bit, "get_config", around)


@fault("quantized.optimizer-states")
def second_moments_signed() -> None:
    """Half of what the second moment's bytes can say is negative, which it never is."""
    from bitsandbytes.optim.optimizer import Optimizer8bit

    def around(original: Any, optimizer: Any) -> None:
        original(optimizer)
        optimizer.name2qmap["udynamic"] = optimizer.name2qmap["dynamic"]

    wrap(Optimizer8bit, "fill_qmap", around)


@fault("quantized.merge")
def bias_stays_once_undone() -> None:
    """Undoing a merge into a quantized base leaves the adapters' biases in it."""
    from peft.tuners.lora import bnb

    def around(original: Any, layer: Any) -> None:
        bias = layer.get_base_layer().bias
        merged = None if bias is None else bias.detach().clone()
        original(layer)
        if merged is not None:
            layer.get_base_layer().bias.data = merged

    for kind in (bnb.Linear4bit, bnb.Linear8bitLt):
        wrap(kind, "unmerge", around)


def _on_merging(around: Callable[..., Any]) -> None:
    from peft.tuners.lora import bnb

    for layer in (bnb.Linear4bit, bnb.Linear8bitLt):
        wrap(layer, "merge", around)


@fault("quantized.merge")
def merging_without_a_word() -> None:
    """Merging into a quantized base does not warn of rounding errors."""

    def around(original: Any, *rest: Any, **named: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original(*rest, **named)

    _on_merging(around)


@fault("quantized.merge")
def merging_passes_over_a_layer() -> None:
    """Merging into a quantized base passes over the first layer."""
    seen: list[Any] = []

    def around(original: Any, *rest: Any, **named: Any) -> None:
        seen.append(original)
        if len(seen) > 1:
            original(*rest, **named)

    _on_merging(around)


@fault("quantized.merge")
def merging_is_not_noted() -> None:
    """What is merged into a quantized base goes on acting beside it.

    (https://github.com/huggingface/peft/pull/976).
    """

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> None:
        original(layer, *rest, **named)
        layer.merged_adapters.clear()

    _on_merging(around)


@fault("quantized.refusals")
def quantized_models_can_be_cast() -> None:
    """Casting a quantized model is let through."""
    import torch
    from transformers import PreTrainedModel

    for name in ("half", "float", "to"):
        setattr(PreTrainedModel, name, getattr(torch.nn.Module, name))


@fault("quantized.refusals")
def modules_left_on_the_disk() -> None:
    """The place of quantized modules is not checked."""
    from transformers.quantizers import quantizer_bnb_4bit, quantizer_bnb_8bit

    quantizers = (quantizer_bnb_4bit.Bnb4BitHfQuantizer, quantizer_bnb_8bit.Bnb8BitHfQuantizer)
    for quantizer in quantizers:
        quantizer.validate_environment = lambda *_, **__: None


@fault("quantized.prepared")
def bfloat16_left_by_preparing() -> None:
    """Preparing casts float16 alone; bfloat16 stays."""
    import peft
    import torch

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        held = {n for n, p in model.named_parameters() if p.dtype == torch.bfloat16}
        prepared = original(model, *rest, **named)
        for name, parameter in prepared.named_parameters():
            if name in held:
                parameter.data = parameter.data.to(torch.bfloat16)
        return prepared

    wrap(peft, "prepare_model_for_kbit_training", around)


@fault("quantized.prepared")
def prepared_base_asks_for_gradients() -> None:
    """Preparing leaves a parameter of the base asking for gradients."""
    import peft

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        prepared = original(model, *rest, **named)
        frozen_weight(prepared).requires_grad_(True)
        return prepared

    wrap(peft, "prepare_model_for_kbit_training", around)
