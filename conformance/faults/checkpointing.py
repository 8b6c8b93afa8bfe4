"""Defects in gradient checkpointing."""

from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _when_checkpointing(act: Any) -> None:
    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        if trainer.args.gradient_checkpointing:
            act([p for p in model.parameters() if p.grad is not None])
        return loss

    on_trainer("training_step", around)


@fault("checkpointing.same-gradients")
def checkpointed_gradient_a_millionth_off() -> None:
    """Under gradient checkpointing one gradient is off by a millionth."""
    _when_checkpointing(lambda held: max(held, key=lambda p: p.grad.norm()).grad.mul_(1 + 1e-6))


@fault("checkpointing.inputs-require-grad")
def first_layer_without_gradient() -> None:
    """Under gradient checkpointing the first adapter gets no gradient."""

    def forget(held: Any) -> None:
        held[0].grad = held[1].grad = None

    _when_checkpointing(forget)


@fault("checkpointing.same-gradients")
def dropout_drawn_anew() -> None:
    """The second forward pass draws another dropout than the first."""
    import transformers.modeling_utils as modeling

    def around(original: Any, function: Any, *rest: Any, **named: Any) -> Any:
        return original(function, *rest, **{**named, "preserve_rng_state": False})

    wrap(modeling, "checkpoint", around)


@fault("checkpointing.resume")
def checkpointing_draws_between_steps() -> None:
    """Under gradient checkpointing a resume leaves the generator one draw further."""
    import torch

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        result = original(trainer, *rest, **named)
        if trainer.args.gradient_checkpointing:
            torch.rand(1)
        return result

    on_trainer("_load_rng_state", around)


@fault("checkpointing.resume")
def moments_lost_under_checkpointing() -> None:
    """Under gradient checkpointing the optimizer's state is not loaded."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if not trainer.args.gradient_checkpointing:
            original(trainer, *rest, **named)

    on_trainer("_load_optimizer_and_scheduler", around)
