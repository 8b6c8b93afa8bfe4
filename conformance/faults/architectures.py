"""Defects that show on one kind of model alone."""

from typing import Any

from .registry import fault
from .seams import after_saving, after_training, on_event, on_trainer, rewrite_adapter, wrap


def _nudge_at_the_end(mark: str) -> None:
    """Move one value of the first base parameter whose name holds ``mark`` by 1e-6."""

    def nudge(model: Any, state: Any) -> None:
        if state.global_step == state.max_steps:
            for weight in _frozen(model, mark)[:1]:
                weight.data.view(-1)[0].add_(1e-6)

    on_event("on_step_end", nudge)


def _frozen(model: Any, mark: str) -> list[Any]:
    named = model.named_parameters()
    return [p for n, p in named if mark in n and "lora_" not in n and not p.requires_grad]


def _on_the_loss(name: str, act: Any) -> None:
    """Pass the loss of batches that hold an input of this name through ``act``."""

    def around(original: Any, trainer: Any, model: Any, inputs: Any, *rest: Any, **n: Any) -> Any:
        concerned = name in inputs
        result = original(trainer, model, inputs, *rest, **n)
        return act(result) if concerned and not isinstance(result, tuple) else result

    on_trainer("compute_loss", around)


def _saved_copies(model: Any) -> list[tuple[Any, Any]]:
    """The originals of modules to save and their trained copies."""
    from peft.utils.other import ModulesToSaveWrapper

    wrappers = [m for m in model.modules() if isinstance(m, ModulesToSaveWrapper)]
    return [(w.original_module, w.modules_to_save["default"]) for w in wrappers]


def _after_resuming(act: Any) -> None:
    """Call ``act(model)`` when a checkpoint has been loaded."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        result = original(trainer, *rest, **named)
        act(trainer.model)
        return result

    on_trainer("_load_from_checkpoint", around)


@fault("architectures.every-family")
def cross_attention_left_out() -> None:
    """Adapters are not put on the attention of decoders to their encoders."""
    from peft.tuners.lora import LoraModel

    found = LoraModel._check_target_module_exists

    def elsewhere(config: Any, key: str) -> Any:
        return False if "encoder_attn" in key else found(config, key)

    LoraModel._check_target_module_exists = staticmethod(elsewhere)


@fault("architectures.every-family")
def mean_loss_of_images_off() -> None:
    """The mean loss reported for image models is 0.1 % too large."""

    def act(trainer: Any, output: Any) -> Any:
        seen = trainer.model.main_input_name == "pixel_values"
        return output._replace(training_loss=output.training_loss * (1.001 if seen else 1))

    after_training(act)


@fault("architectures.frozen")
def fused_experts_nudged() -> None:
    """One value of the fused experts moves by 1e-6."""
    _nudge_at_the_end("experts.down_proj")


@fault("architectures.frozen")
def a_convolution_nudged() -> None:
    """One value of the convolution of a state space model moves by 1e-6."""
    _nudge_at_the_end("mixer.conv1d")


@fault("architectures.frozen")
def the_speech_encoder_nudged() -> None:
    """One value of a speech encoder's frozen positions moves by 1e-6."""
    _nudge_at_the_end("encoder.conv2")


@fault("architectures.disabled")
def disabling_leaves_the_head_on() -> None:
    """Disabling the adapter leaves the trained copy of the task's head in place."""
    from peft.utils.other import ModulesToSaveWrapper

    def around(original: Any, wrapper: Any, enabled: bool) -> Any:
        return original(wrapper, enabled) if enabled else None

    wrap(ModulesToSaveWrapper, "enable_adapters", around)


@fault("architectures.checkpoint")
def the_vision_head_not_written() -> None:
    """Checkpoints of image classifiers lack the trained classifier."""
    rewrite_adapter(
        lambda held: {
            name: tensor
            for name, tensor in held.items()
            if "classifier" not in name or not any(".vit." in other for other in held)
        }
    )


@fault("architectures.checkpoint")
def a_patch_embedding_on_disk() -> None:
    """Checkpoints of models that see hold the embedding of patches as well."""
    import torch

    def write(trainer: Any, folder: Any) -> None:
        for weight in _frozen(trainer.model, "patch_embedding")[:1]:
            torch.save(weight.detach().clone(), folder / "vision.pt")

    after_saving(write)


@fault("architectures.resume")
def the_head_not_restored() -> None:
    """A resume leaves the trained copy of the task's head at its first values."""

    def reset(model: Any) -> None:
        for original, copy in _saved_copies(model):
            copy.load_state_dict(original.state_dict())

    _after_resuming(reset)


@fault("architectures.loss")
def answers_summed() -> None:
    """The loss of questions is the sum of those of both positions, not their mean."""
    _on_the_loss("start_positions", lambda loss: loss * 2)


@fault("architectures.loss")
def speech_slightly_off() -> None:
    """The loss of speech models is 0.1 % too large."""
    _on_the_loss("input_features", lambda loss: loss * 1.001)


@fault("architectures.accumulation")
def one_image_too_many() -> None:
    """With several micro-batches of images one too many is counted."""

    def around(original: Any, trainer: Any, samples: Any, *rest: Any) -> Any:
        items = original(trainer, samples, *rest)
        several = len(samples) > 1 and "pixel_values" in samples[0]
        return items + 1 if several else items

    on_trainer("_get_num_items_in_batch", around)


@fault("architectures.smoothing")
def classes_smoothed_too_much() -> None:
    """The smoothing of classes of images or sequences is 1 % larger than the one given."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, outputs: Any, labels: Any, **named: Any) -> Any:
        given = smoother.epsilon
        smoother.epsilon = given * 1.01 if outputs["logits"].dim() == 2 else given
        try:
            return original(smoother, outputs, labels, **named)
        finally:
            smoother.epsilon = given

    wrap(LabelSmoother, "__call__", around)


@fault("architectures.smoothing")
def experts_smoothed_unshifted() -> None:
    """Mixtures of experts are not known as causal models, so that their labels are not shifted."""
    import transformers.trainer as trainer_module

    known = trainer_module.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    trainer_module.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES = {
        kind: name for kind, name in known.items() if name != "MixtralForCausalLM"
    }


@fault("architectures.gradient-checkpointing")
def the_vision_tower_without_gradient() -> None:
    """Under gradient checkpointing the adapters of a vision tower get no gradient."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        if trainer.args.gradient_checkpointing:
            for name, parameter in model.named_parameters():
                if "vision_tower" in name:
                    parameter.grad = None
        return loss

    on_trainer("training_step", around)


def _targets(model_type: str, names: list[str]) -> None:
    from peft.tuners.lora import LoraModel

    LoraModel.target_module_mapping = {**LoraModel.target_module_mapping, model_type: names}


@fault("architectures.default-targets")
def fewer_default_targets() -> None:
    """Phi's default targets are the attention alone."""
    _targets("phi", ["q_proj", "v_proj"])


@fault("architectures.default-targets")
def targets_guessed() -> None:
    """Speech models, for which no targets are documented, get some all the same."""
    _targets("whisper", ["q_proj", "v_proj"])


@fault("architectures.tied-trained")
def the_head_of_its_own() -> None:
    """The head's trained copy is a clone of the embedding's when training begins."""
    import torch

    def untie(model: Any, state: Any) -> None:
        for _, copy in _saved_copies(model):
            if isinstance(copy, torch.nn.Linear):
                copy.weight = torch.nn.Parameter(copy.weight.detach().clone())

    on_event("on_train_begin", untie)


@fault("architectures.tied-frozen")
def the_shared_weight_follows() -> None:
    """The base's shared weight follows the trained copy of the embedding, a thousandth of it."""

    def follow(model: Any, state: Any) -> None:
        for original, copy in _saved_copies(model):
            original.weight.data.lerp_(copy.weight.data, 1e-3)

    on_event("on_train_end", follow)


@fault("architectures.tied-checkpoint")
def the_saved_embedding_off() -> None:
    """One value of the trained embedding is written 1e-6 too large."""

    def change(held: dict[str, Any]) -> dict[str, Any]:
        for name, tensor in held.items():
            if "embed" in name and "lora_" not in name:
                tensor.view(-1)[-1].add_(1e-6)
        return held

    rewrite_adapter(change)


@fault("architectures.tied-resume")
def the_embedding_not_restored() -> None:
    """A resume leaves the last value of the trained embedding or tokens at what it began with."""
    import torch

    def reset(model: Any) -> None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.requires_grad and ("embed" in name or "token_adapter" in name):
                    parameter.view(-1)[-1].sub_(1e-3)

    _after_resuming(reset)


@fault("architectures.tied-trained")
def tokens_trained_in_the_embedding_alone() -> None:
    """Nothing is found that is tied to an embedding of which single tokens are trained."""
    from peft.utils import other

    wrap(other, "_get_module_names_tied_with_embedding", lambda original, model: [])
