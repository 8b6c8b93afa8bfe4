"""Defects that show under methods other than LoRA, or under several adapters at once."""

from typing import Any

from conformance.scenarios import ALIKE

from .registry import fault
from .seams import (
    after_saving,
    config_saved_with,
    frozen_weight,
    on_event,
    on_trainer,
    rewrite_adapter,
    wrap,
)


def _uses(model: Any, method: str) -> bool:
    """Whether the model's adapter is of that method."""
    return any(config.peft_type.value == method for config in model.peft_config.values())


@fault("methods.every-registered")
def one_vector_not_in_the_optimizer() -> None:
    """IA3's last vector is not handed to the optimizer."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        optimizer = original(trainer, *rest, **named)
        if _uses(trainer.model, "IA3"):
            optimizer.param_groups[0]["params"].pop()
        return optimizer

    on_trainer("create_optimizer", around)


@fault("methods.every-registered")
def method_registered_with_another_config() -> None:
    """Two methods' configs are mixed up where peft registers them."""
    from peft import PeftType
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as CONFIGS

    CONFIGS[PeftType.LOHA] = CONFIGS[PeftType.LOKR]


@fault("methods.frozen")
def base_nudged_under_one_method() -> None:
    """One value of one base weight moves by 1e-6, under OFT alone."""

    def nudge(model: Any, state: Any) -> None:
        if _uses(model, "OFT"):
            frozen_weight(model).data.view(-1)[0].add_(1e-6)

    on_event("on_step_end", nudge)


@fault("methods.disabled")
def disabling_passes_over_one_method() -> None:
    """Layers of HRA stay on when the adapter is disabled."""
    from peft.tuners.hra.layer import HRALayer

    def around(original: Any, layer: Any, enabled: bool) -> Any:
        return original(layer, enabled) if enabled else None

    wrap(HRALayer, "enable_adapters", around)


@fault("methods.checkpoint")
def one_tensor_of_a_method_not_saved() -> None:
    """The state dict of VeRA lacks one of its vectors on disk."""

    def lacking(held: dict[str, Any]) -> dict[str, Any]:
        vectors = [name for name in held if "vera_lambda_b" in name and "pvera" not in name]
        return {name: tensor for name, tensor in held.items() if name not in vectors[:1]}

    rewrite_adapter(lacking)


@fault("methods.checkpoint")
def base_weight_saved_by_one_method() -> None:
    """A checkpoint of a prompt holds a base weight in a file of its own."""
    import torch

    def add(trainer: Any, folder: Any) -> None:
        if _uses(trainer.model, "PROMPT_TUNING"):
            frozen = (p for p in trainer.model.parameters() if not p.requires_grad and p.dim() == 2)
            torch.save(next(frozen), folder / "x.pt")

    after_saving(add)


@fault("methods.round-trip")
def saved_prompt_a_millionth_off() -> None:
    """The virtual tokens are a millionth off on disk."""
    rewrite_adapter(
        lambda held: {n: t * (1 + 1e-6) if n == "prompt_embeddings" else t for n, t in held.items()}
    )


@fault("methods.round-trip")
def prompt_saved_for_another_adapter() -> None:
    """What is saved for a prompt is the prompt as it was before training."""
    from peft import PeftModel

    first: dict[int, Any] = {}

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        return first.get(id(model.prompt_encoder), original(model, *rest, **named))

    def remember(model: Any, state: Any) -> None:
        if _uses(model, "PROMPT_TUNING"):
            first[id(model.prompt_encoder)] = model.get_prompt_embedding_to_save("default").clone()

    wrap(PeftModel, "get_prompt_embedding_to_save", around)
    on_event("on_train_begin", remember)


@fault("methods.resume")
def one_vector_not_restored() -> None:
    """A resume leaves IA3's first vector as it was passed in."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        vectors = [p for n, p in trainer.model.named_parameters() if "ia3_l" in n]
        kept = [vector.detach().clone() for vector in vectors[:1]]
        original(trainer, *rest, **named)
        for vector, value in zip(vectors, kept, strict=False):
            vector.data.copy_(value)

    on_trainer("_load_from_checkpoint", around)


@fault("methods.native-refused")
def prompt_ignored_by_add_adapter() -> None:
    """`add_adapter` passes over prompt learning in silence."""
    import peft

    def around(original: Any, config: Any, model: Any, *rest: Any, **named: Any) -> Any:
        if config.is_prompt_learning:
            config = peft.LoraConfig(target_modules="all-linear")
        return original(config, model, *rest, **named)

    wrap(peft, "inject_adapter_in_model", around)


@fault("methods.mixed")
def idle_adapter_of_a_mixed_model_decays() -> None:
    """Weight decay reaches an adapter of a mixed model that is not active."""

    def decay(model: Any, state: Any) -> None:
        for name, parameter in model.named_parameters():
            if "idle" in name.split("."):
                parameter.data.mul_(1 - 1e-5)

    on_event("on_step_end", decay)


@fault("methods.mixed")
def second_active_adapter_not_trained() -> None:
    """Of two active adapters the optimizer gets the first one's parameters alone."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        optimizer = original(trainer, *rest, **named)
        other = {id(p) for n, p in trainer.model.named_parameters() if "second" in n.split(".")}
        for group in optimizer.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in other]
        return optimizer

    on_trainer("create_optimizer", around)


@fault("methods.mixed-saving")
def mixed_model_refused_with_a_stumble() -> None:
    """Saving a mixed model ends in an error that says nothing of saving."""
    from peft import PeftMixedModel

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if isinstance(trainer.model, PeftMixedModel):
            raise KeyError("default")
        return original(trainer, *rest, **named)

    on_trainer("_save", around)


@fault("methods.switching")
def waiting_adapter_decays() -> None:
    """Weight decay reaches the adapter that waits for its turn."""

    def decay(model: Any, state: Any) -> None:
        for name, parameter in model.named_parameters():
            frozen = not parameter.requires_grad
            if frozen and {"default", ALIKE} & set(name.split(".")):
                parameter.data.mul_(1 - 1e-5)

    on_event("on_step_end", decay)


@fault("methods.gradient-checkpointing")
def computed_again_a_little_larger() -> None:
    """A VeRA layer takes in 0.1 % more where gradient checkpointing computes it again."""
    from peft.tuners import tuners_utils, vera

    under_way: list[Any] = []

    def through_the_model(original: Any, *rest: Any, **named: Any) -> Any:
        under_way.append(original)
        try:
            return original(*rest, **named)
        finally:
            under_way.pop()

    def through_a_layer(original: Any, layer: Any, x: Any, *rest: Any, **named: Any) -> Any:
        return original(layer, x if under_way else x * 1.001, *rest, **named)

    wrap(tuners_utils.BaseTuner, "forward", through_the_model)
    wrap(vera.Linear, "forward", through_a_layer)


@fault("methods.initializations")
def part_taken_out_left_in() -> None:
    """The part of the base's weights that PiSSA begins with is not taken out of them."""
    from peft.tuners.lora import LoraLayer

    def around(original: Any, layer: Any, *rest: Any, **named: Any) -> None:
        weight = layer.get_base_layer().weight
        whole = weight.data.clone()
        original(layer, *rest, **named)
        weight.data.copy_(whole)

    wrap(LoraLayer, "pissa_init", around)


@fault("methods.initializations")
def part_taken_out_again_on_resume() -> None:
    """A resume takes a little of what OLoRA begins with out of the base once more."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        for layer in trainer.model.modules():
            if hasattr(layer, "lora_A") and "default" in layer.lora_A:
                layer.get_base_layer().weight.data -= 1e-4 * layer.get_delta_weight("default")

    on_trainer("_load_from_checkpoint", around)


@fault("methods.initializations")
def way_of_beginning_not_saved() -> None:
    """The saved config does not say that the adapter began with a part of the base's weights."""
    config_saved_with(init_lora_weights=True)


@fault("methods.initializations")
def what_mica_freezes_trains_once_activated() -> None:
    """Activated again, all matrices of an adapter train, those of MiCA that stay frozen too."""
    from peft.tuners.lora import LoraLayer

    def around(original: Any, layer: Any, names: Any, *rest: Any, **named: Any) -> None:
        original(layer, names, *rest, **named)
        for name in [names] if isinstance(names, str) else names:
            layer.lora_B[name].requires_grad_(True)

    wrap(LoraLayer, "set_adapter", around)
