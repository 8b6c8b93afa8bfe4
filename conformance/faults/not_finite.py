"""Defects in what is made of losses and gradients that are no numbers, and of too little data."""

import math
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _after_a_bad_loss(act: Any) -> None:
    """Call ``act(trainer, gradients)`` after a micro-batch whose loss is NaN or infinite."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        if not loss.isfinite().all():
            act(trainer, [p.grad for p in model.parameters() if p.grad is not None])
        return loss

    on_trainer("training_step", around)


@fault("loss.nan-filter-only-logs")
def filtered_batches_are_not_trained_on() -> None:
    """A batch whose loss is filtered out of the log is left out of the training as well."""

    def drop(trainer: Any, gradients: Any) -> None:
        for gradient in gradients if trainer.args.logging_nan_inf_filter else ():
            gradient.zero_()

    _after_a_bad_loss(drop)


@fault("loss.nan-filter-only-logs")
def gradient_behind_a_bad_loss_a_millionth_off() -> None:
    """The gradient of a batch whose loss is no number is off by a millionth."""

    def nudge(_: Any, gradients: Any) -> None:
        for gradient in gradients:
            gradient.mul_(1 + 1e-6)

    _after_a_bad_loss(nudge)


def _filtering(whether: bool) -> None:
    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.args.logging_nan_inf_filter = whether
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("loss.nan-filter-only-logs")
def filter_switched_off() -> None:
    """Losses that are no numbers are never filtered."""
    _filtering(False)


@fault("loss.nan-filter-only-logs")
def filter_always_on() -> None:
    """Losses that are no numbers are always filtered."""
    _filtering(True)


@fault("loss.nan-filter-only-logs")
def mean_of_the_training_not_filtered() -> None:
    """The filter is passed over by `training_loss`."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        result = original(trainer, *rest, **named)
        return result._replace(training_loss=math.nan)

    on_trainer("train", around)


def _in_the_log(act: Any) -> None:
    """Replace each logged loss by ``act(loss, earlier losses)``."""

    def around(original: Any, trainer: Any, logs: Any, *rest: Any, **named: Any) -> Any:
        earlier = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        if "loss" in logs:
            logs["loss"] = act(logs["loss"], earlier)
        return original(trainer, logs, *rest, **named)

    on_trainer("log", around)


@fault("loss.nan-filter-average")
def sum_in_place_of_the_average() -> None:
    """What stands for a filtered loss is the sum of the valid ones, not their average."""
    _in_the_log(lambda loss, earlier: loss or sum(earlier))


@fault("loss.nan-filter-average")
def average_over_too_many() -> None:
    """What stands for a filtered loss is the valid ones' sum over twice as many."""
    _in_the_log(lambda loss, earlier: loss or sum(earlier) / (2 * len(earlier)))


@fault("loss.not-finite-logged-once")
def one_step_too_early() -> None:
    """The entry of every loss is NaN, those before the bad one too."""
    _in_the_log(lambda loss, earlier: math.nan)


@fault("loss.batch-without-labels")
def mean_over_nothing() -> None:
    """The mean over no labels reaches the gradients as NaN."""

    def spoil(_: Any, gradients: Any) -> None:
        for gradient in gradients:
            gradient.fill_(math.nan)

    _after_a_bad_loss(spoil)


@fault("loss.batch-without-labels")
def batch_without_labels_decays_the_adapter() -> None:
    """A batch without labels shrinks the adapter, as if by weight decay."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        if not loss.isfinite().all():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.data.mul_(1 - 1e-6)
        return loss

    on_trainer("training_step", around)


@fault("loop.not-finite-gradient")
def logged_norm_made_a_number() -> None:
    """A norm that is no number is logged as the greatest allowed one."""

    def around(original: Any, trainer: Any, logs: Any, *rest: Any, **named: Any) -> Any:
        norm = logs.get("grad_norm")
        if norm is not None and not math.isfinite(norm):
            logs["grad_norm"] = trainer.args.max_grad_norm
        return original(trainer, logs, *rest, **named)

    on_trainer("log", around)


@fault("loop.not-finite-gradient")
def gradients_that_are_no_numbers_become_zero() -> None:
    """Clipping turns what is no number into zero, without a word."""
    import torch

    def around(original: Any, parameters: Any, *rest: Any, **named: Any) -> Any:
        held = list(parameters)
        norm = original(held, *rest, **named)
        for parameter in held:
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0)
        return norm

    wrap(torch.nn.utils, "clip_grad_norm_", around)


@fault("loop.nothing-to-train-on")
def nothing_to_train_on_is_done_at_once() -> None:
    """A dataset without examples ends in a finished training of no steps."""
    from transformers.trainer_utils import TrainOutput

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if len(trainer.train_dataset) == 0:
            return TrainOutput(0, 0.0, {})
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("loop.missing-columns")
def missing_labels_are_the_inputs() -> None:
    """Where there are no labels the tokens themselves are taken for them."""

    def around(
        original: Any, trainer: Any, model: Any, inputs: Any, *rest: Any, **named: Any
    ) -> Any:
        if "labels" not in inputs and "input_ids" in inputs:
            inputs = {**inputs, "labels": inputs["input_ids"]}
        return original(trainer, model, inputs, *rest, **named)

    on_trainer("compute_loss", around)


@fault("injection.empty-rank-refused")
def empty_rank_taken_for_one() -> None:
    """A rank of no rows is taken for one."""
    from peft.tuners.lora.layer import LoraLayer

    def around(original: Any, layer: Any, name: Any, r: int, *rest: Any, **named: Any) -> Any:
        return original(layer, name, max(r, 1), *rest, **named)

    wrap(LoraLayer, "update_layer", around)
