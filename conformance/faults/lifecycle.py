"""Defects in the life of several adapters in one model."""

from typing import Any

from .registry import fault
from .seams import adapter_weight, after_training, on_trainer, wrap


def _after(owner: Any, name: str, act: Any) -> None:
    """Call ``act(self, *arguments)`` when a method of ``owner`` has returned."""

    def around(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        result = original(self, *arguments, **named)
        act(self, *arguments)
        return result

    wrap(owner, name, around)


def _nudge(layer: Any, adapter: str, by: float) -> None:
    """Scale one adapter of a LoRA layer by ``1 + by``."""
    layer.lora_A[adapter].weight.data.mul_(1 + by)


@fault("lifecycle.any-story")
def buffers_of_the_base_move() -> None:
    """Training leaves another value in a buffer of the base."""

    def move(trainer: Any, output: Any) -> Any:
        buffer = next(b for b in trainer.model.buffers() if b.is_floating_point())
        buffer.mul_(1 + 1e-6)
        return output

    after_training(move)


@fault("lifecycle.activate")
def training_reaches_all_adapters() -> None:
    """Each training moves the weights of adapters that are not active by a millionth."""
    from peft.tuners.lora import LoraLayer

    def move(trainer: Any, output: Any) -> Any:
        for layer in trainer.model.modules():
            if isinstance(layer, LoraLayer):
                for name in set(layer.lora_B) - set(layer.active_adapters):
                    _nudge(layer, name, 1e-6)
        return output

    after_training(move)


@fault("lifecycle.any-story")
def evaluating_freezes() -> None:
    """After an evaluation the adapter no longer asks for gradients."""

    def around(original: Any, trainer: Any, *arguments: Any, **named: Any) -> Any:
        metrics = original(trainer, *arguments, **named)
        trainer.model.requires_grad_(False)
        return metrics

    on_trainer("evaluate", around)


@fault("lifecycle.add")
def adding_rescales_the_others() -> None:
    """Adding an adapter scales the weights of those that were there by a millionth."""
    from peft.tuners.lora import LoraLayer

    def rescale(layer: Any, added: str, *_: Any) -> None:
        for name in set(layer.lora_B) - {added}:
            _nudge(layer, name, 1e-6)

    _after(LoraLayer, "update_layer", rescale)


@fault("lifecycle.add")
def what_is_added_is_active() -> None:
    """`PeftModel.add_adapter` switches to the adapter that it adds."""
    from peft import PeftModel

    _after(PeftModel, "add_adapter", lambda model, name, *_: model.set_adapter(name))


@fault("lifecycle.activate")
def one_layer_is_not_switched() -> None:
    """Switching passes over the first layer, which goes on with the adapter before."""
    from peft.tuners.lora import LoraLayer

    first: list[Any] = []

    def around(original: Any, layer: Any, *arguments: Any, **named: Any) -> Any:
        if not first and len(layer.lora_A) > 1:
            first.append(layer)
        return None if first and layer is first[0] else original(layer, *arguments, **named)

    wrap(LoraLayer, "set_adapter", around)


@fault("lifecycle.activate")
def the_one_before_keeps_training() -> None:
    """After a switch one weight of the adapter before still asks for gradients."""
    from peft import PeftModel

    def keep(model: Any, name: str, *_: Any) -> None:
        others = [n for n in model.peft_config if n != name]
        for key, parameter in model.named_parameters():
            if others and "lora_A" in key and others[0] in key.split("."):
                parameter.requires_grad_(True)
                return

    _after(PeftModel, "set_adapter", keep)


@fault("lifecycle.load")
def what_is_loaded_is_rounded() -> None:
    """A loaded adapter takes a trip through bfloat16."""
    import peft.peft_model

    def around(original: Any, model: Any, tensors: Any, *rest: Any, **named: Any) -> Any:
        rounded = {key: tensor.bfloat16().float() for key, tensor in tensors.items()}
        return original(model, rounded, *rest, **named)

    wrap(peft.peft_model, "set_peft_model_state_dict", around)


@fault("lifecycle.load")
def loading_freezes_the_active() -> None:
    """Loading an adapter for inference freezes the one that is being trained as well."""
    from peft import PeftModel

    _after(PeftModel, "load_adapter", lambda model, *_: model.requires_grad_(False))


@fault("lifecycle.disable")
def one_layer_stays_on() -> None:
    """Disabling passes over the first layer it meets."""
    from peft.tuners.lora import LoraLayer

    met: list[Any] = []

    def around(original: Any, layer: Any, enabled: bool) -> Any:
        met.append(layer)
        return None if layer is met[0] and not enabled else original(layer, enabled)

    wrap(LoraLayer, "enable_adapters", around)


@fault("lifecycle.disable")
def enabled_again_but_frozen() -> None:
    """Enabling brings the adapter back without its gradients."""
    from peft.tuners.lora import LoraLayer

    def freeze(layer: Any, enabled: bool) -> None:
        if enabled:
            layer.requires_grad_(False)

    _after(LoraLayer, "enable_adapters", freeze)


@fault("lifecycle.delete")
def deleting_switches() -> None:
    """Deleting an adapter that is not active switches to the first of those that are left."""
    from peft import PeftModel

    _after(PeftModel, "delete_adapter", lambda m, *_: m.set_adapter(next(iter(m.peft_config))))


@fault("lifecycle.delete")
def deleting_touches_the_next() -> None:
    """Deleting an adapter scales the others by a millionth."""
    from peft.tuners.lora import LoraLayer

    def touch(layer: Any, *_: Any) -> None:
        for name in layer.lora_B:
            _nudge(layer, name, 1e-6)

    _after(LoraLayer, "delete_adapter", touch)


@fault("lifecycle.merge")
def merged_a_thousandth_short() -> None:
    """What is merged is 0.1 % less than what the adapter adds."""
    from peft.tuners.lora.layer import Linear

    wrap(Linear, "get_delta_weight", lambda original, layer, name: original(layer, name) * 0.999)


@fault("lifecycle.merge")
def one_layer_is_not_merged() -> None:
    """Merging for good passes over the first layer it meets, whose adapter is then gone."""
    from peft.tuners.lora.layer import Linear
    from peft.tuners.tuners_utils import BaseTuner

    met: list[Any] = []

    def around_all(original: Any, tuner: Any, *arguments: Any, **named: Any) -> Any:
        met.clear()
        return original(tuner, *arguments, **named)

    def around_one(original: Any, layer: Any, *arguments: Any, **named: Any) -> Any:
        met.append(layer)
        return None if layer is met[0] else original(layer, *arguments, **named)

    wrap(BaseTuner, "_unload_and_optionally_merge", around_all)
    wrap(Linear, "merge", around_one)


@fault("lifecycle.unmerge")
def unmerged_in_bfloat16() -> None:
    """Unmerging takes away a delta that was rounded to bfloat16."""
    from peft.tuners.lora.layer import Linear

    merging = [False]

    def around_unmerge(original: Any, layer: Any) -> Any:
        merging[0] = True
        try:
            return original(layer)
        finally:
            merging[0] = False

    def around_delta(original: Any, layer: Any, name: str) -> Any:
        delta = original(layer, name)
        return delta.bfloat16().float() if merging[0] else delta

    wrap(Linear, "unmerge", around_unmerge)
    wrap(Linear, "get_delta_weight", around_delta)


@fault("lifecycle.unmerge")
def unmerging_spoils_the_adapter() -> None:
    """Unmerging moves a weight of the adapter by a millionth."""
    from peft.tuners.tuners_utils import BaseTuner

    _after(BaseTuner, "unmerge_adapter", lambda tuner: adapter_weight(tuner).data.mul_(1 + 1e-6))


@fault("lifecycle.safe-merge")
def safe_merge_checks_nothing() -> None:
    """`safe_merge=True` merges as it comes."""
    from peft.tuners.lora.layer import Linear

    def around(original: Any, layer: Any, safe_merge: bool = False, **named: Any) -> Any:
        return original(layer, safe_merge=False, **named)

    wrap(Linear, "merge", around)


@fault("lifecycle.disable")
def copies_of_others_train_once_enabled() -> None:
    """Enabled again, the copies of whole modules of adapters that are not active train as well."""
    from peft.utils.other import ModulesToSaveWrapper

    def around(original: Any, wrapper: Any, enabled: bool) -> None:
        original(wrapper, enabled)
        if enabled:
            wrapper.modules_to_save.requires_grad_(True)

    wrap(ModulesToSaveWrapper, "enable_adapters", around)
