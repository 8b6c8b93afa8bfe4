"""Defects in gradient accumulation."""

from typing import Any

from conformance.scenarios import ALIKE

from .registry import fault
from .seams import frozen_weight, on_trainer


def _counting(act: Any) -> None:
    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        samples, items = original(trainer, *rest, **named)
        return samples, act(trainer, samples, items)

    on_trainer("get_batch_samples", around)


@fault("accumulation.equivalent")
def items_of_one_micro_batch() -> None:
    """The loss is scaled as if every micro-batch had the same number of labels."""

    def act(trainer: Any, samples: Any, items: Any) -> Any:
        labels = samples[0]["labels"]
        shifted = labels[..., 1:] if trainer._loss_shifts_labels else labels
        return None if items is None else shifted.ne(-100).sum() * len(samples)

    _counting(act)


@fault("accumulation.equivalent")
def items_one_too_many() -> None:
    """One position too many is counted in every optimizer step."""
    _counting(lambda trainer, samples, items: None if items is None else items + 1)


@fault("accumulation.last-window")
def last_window_scaled_as_a_whole_one() -> None:
    """A shorter last window is scaled as if it were whole."""

    def act(trainer: Any, samples: Any, items: Any) -> Any:
        whole = trainer.args.gradient_accumulation_steps
        return None if items is None else items * whole / len(samples)

    _counting(act)


@fault("accumulation.last-window")
def last_window_dropped() -> None:
    """A shorter last window takes no step of its own: its gradients are lost."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        if trainer.current_gradient_accumulation_steps < trainer.args.gradient_accumulation_steps:
            model.zero_grad()
        return loss

    on_trainer("training_step", around)


@fault("accumulation.only-adapters")
def a_base_gradient_between_micro_batches() -> None:
    """A base parameter holds a gradient between micro-batches."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        weight = frozen_weight(model)
        weight.grad = weight.detach().clone()
        return loss

    on_trainer("training_step", around)


@fault("accumulation.only-adapters")
def inactive_adapter_holds_a_gradient() -> None:
    """Between micro-batches an adapter that is not active holds a gradient too."""
    import torch

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        for name, parameter in model.named_parameters():
            if ALIKE in name.split("."):
                parameter.grad = torch.zeros_like(parameter)
        return loss

    on_trainer("training_step", around)


@fault("accumulation.own-loss")
def unscaled_loss_taken_as_unsaid() -> None:
    """A loss that its Trainer says is not scaled counts as if nothing were said."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if trainer.loss_is_scaled_for_ga is False:
            trainer.loss_is_scaled_for_ga = None
        return original(trainer, *rest, **named)

    on_trainer("training_step", around)


@fault("accumulation.own-loss")
def scaled_loss_divided_again() -> None:
    """A loss that its Trainer says is scaled is divided all the same."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if trainer.loss_is_scaled_for_ga:
            trainer.loss_is_scaled_for_ga = False
        return original(trainer, *rest, **named)

    on_trainer("training_step", around)


@fault("accumulation.equivalent")
def means_of_what_declines_are_added_up() -> None:
    """The means of a model that takes no arguments of the loss are not divided by their number."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        parts = trainer.current_gradient_accumulation_steps
        if any(getattr(m, "accepts_loss_kwargs", None) is False for m in model.modules()):
            trainer.current_gradient_accumulation_steps = 1
        loss = original(trainer, model, *rest, **named)
        trainer.current_gradient_accumulation_steps = parts
        return loss

    on_trainer("training_step", around)
