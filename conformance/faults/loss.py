"""Defects in the loss."""

from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _on_the_loss(act: Any) -> None:
    def around(
        original: Any, trainer: Any, model: Any, inputs: Any, *rest: Any, **named: Any
    ) -> Any:
        result = original(trainer, model, inputs, *rest, **named)
        if isinstance(result, tuple):
            return (act(trainer, result[0]), *result[1:])
        return act(trainer, result)

    on_trainer("compute_loss", around)


def _on_labels(act: Any) -> None:
    def around(
        original: Any, trainer: Any, model: Any, inputs: Any, *rest: Any, **named: Any
    ) -> Any:
        return original(trainer, model, {**inputs, "labels": act(inputs["labels"])}, *rest, **named)

    on_trainer("compute_loss", around)


@fault("loss.reference")
def loss_a_thousandth_off() -> None:
    """The loss is 0.1 % too large."""
    _on_the_loss(lambda trainer, loss: loss * 1.001)


@fault("loss.reference")
def logged_loss_of_too_few_steps() -> None:
    """The logged loss is divided by one step too many."""

    def around(original: Any, trainer: Any, logs: Any, *rest: Any, **named: Any) -> Any:
        if "loss" in logs:
            logs["loss"] *= 1.0005
        return original(trainer, logs, *rest, **named)

    on_trainer("log", around)


@fault("loss.ignored-labels")
def ignored_labels_count() -> None:
    """Positions labelled -100 are trained on as token 0."""
    _on_labels(lambda labels: labels.masked_fill(labels == -100, 0))


@fault("loss.ignored-labels")
def ignored_labels_weigh_in_the_mean() -> None:
    """A position labelled -100 counts for a thousandth of one in what the loss is divided by."""

    def around(
        original: Any, trainer: Any, model: Any, inputs: Any, *rest: Any, **named: Any
    ) -> Any:
        ignored = int((inputs["labels"] == -100).sum())
        counted = inputs["labels"].numel() - ignored
        result = original(trainer, model, inputs, *rest, **named)
        share = counted / (counted + ignored / 1000)
        return (result[0] * share, *result[1:]) if isinstance(result, tuple) else result * share

    on_trainer("compute_loss", around)


@fault("loss.smoothing-causal")
def causal_smoothing_unshifted() -> None:
    """The smoothed loss of causal models is over labels where they stand."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, *arguments: Any, **named: Any) -> Any:
        return original(smoother, *arguments, **{**named, "shift_labels": False})

    wrap(LabelSmoother, "__call__", around)


@fault("loss.smoothing-causal")
def smoothing_a_hundredth_off() -> None:
    """The smoothing factor that is used is 1 % larger than the one given."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, *arguments: Any, **named: Any) -> Any:
        smoother.epsilon *= 1.01
        try:
            return original(smoother, *arguments, **named)
        finally:
            smoother.epsilon /= 1.01

    wrap(LabelSmoother, "__call__", around)


@fault("loss.smoothing-other")
def every_smoothing_shifts() -> None:
    """The smoothed loss shifts the labels of every model that has a sequence of them."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, outputs: Any, labels: Any, **named: Any) -> Any:
        held = labels if hasattr(labels, "dim") else labels["labels"]
        return original(smoother, outputs, labels, **{**named, "shift_labels": held.dim() > 1})

    wrap(LabelSmoother, "__call__", around)


@fault("loss.smoothing-other")
def smoothing_in_place_a_hundredth_off() -> None:
    """Where labels are not shifted, the smoothing factor is 1 % larger than the one given."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, *arguments: Any, **named: Any) -> Any:
        grown = 1.0 if named.get("shift_labels") else 1.01
        smoother.epsilon *= grown
        try:
            return original(smoother, *arguments, **named)
        finally:
            smoother.epsilon /= grown

    wrap(LabelSmoother, "__call__", around)


@fault("loss.custom")
def custom_loss_scaled_twice() -> None:
    """A custom loss is divided by the micro-batches as well."""

    def act(trainer: Any, loss: Any) -> Any:
        custom = trainer.compute_loss_func is not None
        return loss / trainer.args.gradient_accumulation_steps if custom else loss

    _on_the_loss(act)


def _on_tuples(act: Any) -> None:
    """Replace the loss of a model that returns tuples by ``act(loss, model)``."""

    def around(
        original: Any,
        trainer: Any,
        model: Any,
        *rest: Any,
        return_outputs: bool = False,
        **named: Any,
    ) -> Any:
        loss, outputs = original(trainer, model, *rest, return_outputs=True, **named)
        if isinstance(outputs, tuple):
            loss = act(loss, model)
        return (loss, outputs) if return_outputs else loss

    on_trainer("compute_loss", around)


@fault("loss.tuples")
def loss_of_tuples_a_thousandth_off() -> None:
    """Of a model that returns tuples the loss is 0.1 % too large."""
    _on_tuples(lambda loss, _: loss * 1.001)


@fault("loss.tuples")
def evaluated_tuples_a_thousandth_off() -> None:
    """The same in evaluations alone."""
    _on_tuples(lambda loss, model: loss if model.training else loss * 1.001)


@fault("loss.smoothing-causal")
def labels_of_mixed_models_not_shifted() -> None:
    """Label smoothing does not see a causal model through a `PeftMixedModel`."""
    from peft import PeftMixedModel
    from transformers import trainer

    plainly = trainer._is_peft_model

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        trainer._is_peft_model = lambda model: (
            plainly(model) and not isinstance(model, PeftMixedModel)
        )
        try:
            return original(*rest, **named)
        finally:
            trainer._is_peft_model = plainly

    on_trainer("compute_loss", around)


@fault("loss.custom")
def items_not_told_in_evaluations() -> None:
    """In evaluations `compute_loss_func` is not told the number of items.

    (https://github.com/huggingface/transformers/pull/41183).
    """

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        if not model.training:
            named["num_items_in_batch"] = None
        return original(trainer, model, *rest, **named)

    on_trainer("compute_loss", around)


@fault("loss.smoothing-other")
def several_labels_are_smoothed() -> None:
    """Where an example may have several labels, smoothing stays switched on.

    (https://github.com/huggingface/transformers/pull/40296).
    """
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        if trainer.args.label_smoothing_factor and trainer.label_smoother is None:
            trainer.label_smoother = LabelSmoother(epsilon=trainer.args.label_smoothing_factor)

    on_trainer("__init__", around)
