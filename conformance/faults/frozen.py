"""Defects in what must not move, and in what must."""

from typing import Any

from conformance import compat
from conformance.scenarios import ALIKE

from .registry import fault
from .seams import adapter_weight, after_training, frozen_weight, on_event, on_trainer, wrap


@fault("frozen.bit-identical")
def one_base_weight_nudged() -> None:
    """One value of one base weight moves by 1e-6 at the last step."""

    def nudge(model: Any, state: Any) -> None:
        if state.global_step == state.max_steps:
            frozen_weight(model).data.view(-1)[0].add_(1e-6)

    on_event("on_step_end", nudge)


@fault("frozen.bit-identical")
def a_base_tensor_cast_and_back() -> None:
    """One base tensor takes a trip through bfloat16, as a misplaced cast makes it."""

    def cast(model: Any, state: Any) -> None:
        weight = frozen_weight(model).data
        weight.copy_(weight.bfloat16().float())

    on_event("on_train_begin", cast)


@fault("frozen.requires-grad-kept")
def base_unfrozen_by_training() -> None:
    """Training leaves a base parameter asking for gradients."""

    def unfreeze(trainer: Any, output: Any) -> Any:
        frozen_weight(trainer.model).requires_grad_(True)
        return output

    after_training(unfreeze)


@fault("frozen.requires-grad-kept")
def adapter_frozen_by_training() -> None:
    """Training leaves an adapter parameter frozen, as loading for inference does."""

    def freeze(trainer: Any, output: Any) -> Any:
        adapter_weight(trainer.model).requires_grad_(False)
        return output

    after_training(freeze)


@fault("frozen.no-gradient")
def base_holds_a_gradient() -> None:
    """A base parameter is given a gradient that nobody uses."""
    import torch

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        weight = frozen_weight(model)
        weight.grad = torch.zeros_like(weight)
        return loss

    on_trainer("training_step", around)


@fault("frozen.no-gradient")
def a_norm_asks_for_gradients_meanwhile() -> None:
    """A bias or norm of the base asks for gradients as long as training goes on."""

    def flat(model: Any) -> Any:
        return next(p for p in model.parameters() if p.dim() == 1 and not p.requires_grad)

    asked: dict[int, Any] = {}

    def ask(model: Any, state: Any) -> None:
        asked[id(model)] = flat(model).requires_grad_(True)

    def forget(model: Any, state: Any) -> None:
        parameter = asked.pop(id(model)).requires_grad_(False)
        parameter.grad = None

    on_event("on_train_begin", ask)
    on_event("on_train_end", forget)


@fault("frozen.optimizer-groups")
def base_parameter_in_the_optimizer() -> None:
    """The optimizer is built with a base parameter among its own."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        optimizer = original(trainer, *rest, **named)
        optimizer.param_groups[0]["params"].append(frozen_weight(trainer.model))
        return optimizer

    on_trainer("create_optimizer", around)


@fault("frozen.optimizer-groups")
def adapter_parameter_not_in_the_optimizer() -> None:
    """The optimizer is built without one of the adapter's parameters."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        optimizer = original(trainer, *rest, **named)
        optimizer.param_groups[0]["params"].pop()
        return optimizer

    on_trainer("create_optimizer", around)


@fault("frozen.disabled-logits")
def disabling_leaves_one_layer_on() -> None:
    """Disabling the adapter passes over one layer."""
    from peft.tuners.lora import LoraLayer

    def around(original: Any, layer: Any, enabled: bool) -> Any:
        if enabled or layer.in_features != layer.out_features:
            return original(layer, enabled)
        return None

    wrap(LoraLayer, "enable_adapters", around)


@fault("frozen.disabled-logits")
def disabled_layers_cast_as_the_adapter_does() -> None:
    """What the base's layers give passes through bfloat16 once the adapter is disabled."""
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import Linear

    def around(original: Any, layer: LoraLayer, *rest: Any, **named: Any) -> Any:
        given = original(layer, *rest, **named)
        return given.bfloat16().to(given.dtype) if layer.disable_adapters else given

    wrap(Linear, "forward", around)


@fault("frozen.inactive-adapters")
def inactive_adapter_decays() -> None:
    """Weight decay reaches an adapter that is loaded but not active."""

    def decay(model: Any, state: Any) -> None:
        waiting = set(getattr(model, "peft_config", ())) - {*compat.active_adapters(model)}
        for name, parameter in model.named_parameters():
            if waiting & {*name.split(".")}:
                parameter.data.mul_(1 - 1e-5)

    on_event("on_step_end", decay)


@fault("frozen.inactive-adapters")
def inactive_adapter_cast_and_back() -> None:
    """One value of an adapter that is loaded but not active is rounded when training begins."""

    def cast(model: Any, state: Any) -> None:
        for name, parameter in model.named_parameters():
            if ALIKE in name.split("."):
                first = parameter.data.view(-1)[:1]
                first.copy_(first.bfloat16())
                return

    on_event("on_train_begin", cast)


@fault("frozen.modules-to-save")
def original_shares_its_copy() -> None:
    """The original of a module to save follows its trained copy."""
    from peft.utils.other import ModulesToSaveWrapper

    def share(model: Any, state: Any) -> None:
        for module in model.modules():
            if isinstance(module, ModulesToSaveWrapper):
                copy = module.modules_to_save["default"]
                module.original_module.weight.data.copy_(copy.weight.data)

    on_event("on_train_end", share)


@fault("frozen.modules-to-save")
def copy_starts_rounded() -> None:
    """The copy of a module to save starts from the original's values rounded to bfloat16."""
    from peft.utils.other import ModulesToSaveWrapper

    def around(original: Any, wrapper: Any, adapter_name: str, **named: Any) -> None:
        original(wrapper, adapter_name, **named)
        if adapter_name in wrapper.modules_to_save:
            for parameter in wrapper.modules_to_save[adapter_name].parameters():
                parameter.data.copy_(parameter.data.bfloat16())

    wrap(ModulesToSaveWrapper, "update", around)


@fault("adapter.every-parameter-moves")
def one_adapter_weight_never_steps() -> None:
    """One adapter weight is put back after every optimizer step."""
    first: dict[int, Any] = {}

    def put_back(model: Any, state: Any) -> None:
        weight = adapter_weight(model, "lora_A")
        weight.data.copy_(first.setdefault(id(weight), weight.detach().clone()))

    on_event("on_train_begin", put_back)
    on_event("on_step_end", put_back)


@fault("adapter.every-parameter-moves")
def one_adapter_weight_without_gradient() -> None:
    """One lora_B gets a gradient of zeros, as behind a detached output."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        adapter_weight(model).grad.zero_()
        return loss

    on_trainer("training_step", around)


@fault("adapter.every-parameter-moves")
def base_weight_thawed_by_training() -> None:
    """A base weight asks for gradients from the second step on, as a forward pass may make it."""

    def thaw(model: Any, state: Any) -> None:
        if state.global_step:
            frozen_weight(model).requires_grad_(True)

    on_event("on_step_begin", thaw)


@fault("frozen.special-tokens")
def lacking_tokens_wiped() -> None:
    """Special tokens that the tokenizer lacks are wiped from the config (before 5.18)."""
    from transformers import trainer

    def around(original: Any, model: Any, tokenizer: Any) -> None:
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            for config in (model.config, model.generation_config):
                setattr(config, name, getattr(tokenizer, name))

    wrap(trainer, "align_special_tokens", around)


@fault("frozen.special-tokens")
def tokens_to_stop_at_replaced() -> None:
    """Of several tokens to stop at the tokenizer's alone is left."""
    from transformers import trainer

    def around(original: Any, model: Any, tokenizer: Any) -> None:
        original(model, tokenizer)
        if isinstance(model.generation_config.eos_token_id, list):
            model.generation_config.eos_token_id = [tokenizer.eos_token_id]

    wrap(trainer, "align_special_tokens", around)


@fault("frozen.requires-grad-kept")
def resized_heads_ask_for_gradients() -> None:
    """A head that is resized along with the embeddings asks for gradients."""
    from transformers import PreTrainedModel

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        found = original(model, *rest, **named)
        head = model.get_output_embeddings()
        if head is not None:
            head.weight.requires_grad_(True)
        return found

    wrap(PreTrainedModel, "resize_token_embeddings", around)


@fault("frozen.requires-grad-kept")
def last_row_not_kept_by_resizing() -> None:
    """Embeddings that are resized lose the last row there was."""
    from transformers import PreTrainedModel

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        rows = len(model.get_input_embeddings().weight)
        found = original(model, *rest, **named)
        model.get_input_embeddings().weight.data[rows - 1].zero_()
        return found

    wrap(PreTrainedModel, "resize_token_embeddings", around)


@fault("frozen.modules-to-save")
def head_forgotten_beside_own_copies() -> None:
    """A classifier's head is not copied where the config names modules of its own."""
    from peft import peft_model
    from peft.utils import other

    def around(original: Any, *rest: Any, module_names: Any, **named: Any) -> Any:
        own = [each for each in module_names or () if each not in ("classifier", "score")]
        return original(*rest, module_names=own or module_names, **named)

    for module in (other, peft_model):
        wrap(module, "_set_trainable", around)
