"""Defects in gradient checkpointing."""

from typing import Any

from .registry import fault
from .seams import on_trainer


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
