"""Defects in what training returns."""

from typing import Any

from .registry import fault
from .seams import after_training


def _replace(**change: Any) -> None:
    """Pass fields of the output through the functions given under their names."""

    def act(trainer: Any, output: Any) -> Any:
        values = {name: new(getattr(output, name), trainer) for name, new in change.items()}
        return output._replace(**values)

    after_training(act)


def _metric(name: str, factor: float) -> None:
    _replace(metrics=lambda metrics, _: {**metrics, name: metrics[name] * factor})


@fault("output.named-tuple")
def a_plain_tuple() -> None:
    """The result has lost its names."""
    after_training(lambda trainer, output: tuple(output))


@fault("output.global-step")
def global_step_one_too_many() -> None:
    """`global_step` counts one step too many."""
    _replace(global_step=lambda step, _: step + 1)


@fault("output.global-step")
def global_step_of_this_call() -> None:
    """After a resume `global_step` counts the steps of this call alone."""
    _replace(global_step=lambda step, trainer: step - trainer._initial_global_step)


@fault("output.training-loss")
def training_loss_a_thousandth_off() -> None:
    """`training_loss` is 0.1 % too large."""
    _replace(training_loss=lambda loss, _: loss * 1.001)


@fault("output.training-loss")
def training_loss_over_all_steps() -> None:
    """After a resume the losses of this call are divided by all steps there ever were."""

    def diluted(loss: float, trainer: Any) -> float:
        steps = trainer.state.global_step
        return loss * float(steps - trainer._initial_global_step) / float(steps)

    _replace(training_loss=diluted)


@fault("output.metrics-keys")
def epoch_missing_from_metrics() -> None:
    """The metrics no longer hold the epoch."""

    def without(metrics: dict[str, Any], _: Any) -> dict[str, Any]:
        return {name: value for name, value in metrics.items() if name != "epoch"}

    _replace(metrics=without)


@fault("output.metrics-values")
def speed_counts_one_step_more() -> None:
    """The speed in steps is a tenth too high."""
    _metric("train_steps_per_second", 1.1)


@fault("output.epoch")
def epoch_a_hundredth_off() -> None:
    """The epoch in the metrics is 1 % too large."""
    _metric("epoch", 1.01)
