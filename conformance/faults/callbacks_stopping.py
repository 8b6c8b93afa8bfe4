"""Defects in early stopping and in TensorBoard's callback."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap

# ---- early stopping -------------------------------------------------------------------------


def _on_stopping(name: str, around: Callable[..., Any]) -> None:
    from transformers import EarlyStoppingCallback

    wrap(EarlyStoppingCallback, name, around)


def _stoppings(trainer: Any) -> list[Any]:
    from transformers import EarlyStoppingCallback

    callbacks = trainer.callback_handler.callbacks
    return [each for each in callbacks if isinstance(each, EarlyStoppingCallback)]


@fault("callbacks.early-stopping")
def patience_one_longer() -> None:
    """Early stopping waits for one evaluation more than its patience."""

    def around(
        original: Any, stopping: Any, args: Any, state: Any, control: Any, **named: Any
    ) -> None:
        original(stopping, args, state, control, **named)
        if stopping.early_stopping_patience_counter == stopping.early_stopping_patience:
            control.should_training_stop = False

    _on_stopping("on_evaluate", around)


@fault("callbacks.early-stopping")
def improvement_of_the_threshold_counts() -> None:
    """An improvement by exactly the threshold counts as one."""

    def around(original: Any, stopping: Any, *rest: Any) -> None:
        given = stopping.early_stopping_threshold
        stopping.early_stopping_threshold = given - 1e-9 if given else given
        original(stopping, *rest)
        stopping.early_stopping_threshold = given

    _on_stopping("check_metric_value", around)


@fault("callbacks.early-stopping")
def rising_taken_for_falling() -> None:
    """A metric of which greater is better is watched as one of which less is."""

    def around(original: Any, stopping: Any, args: Any, *rest: Any) -> None:
        original(stopping, SimpleNamespace(greater_is_better=False), *rest)

    _on_stopping("check_metric_value", around)


@fault("callbacks.early-stopping")
def patience_not_in_a_row() -> None:
    """Evaluations without improvement are counted together, not in a row."""

    def around(original: Any, stopping: Any, *rest: Any) -> None:
        before = stopping.early_stopping_patience_counter
        original(stopping, *rest)
        now = stopping.early_stopping_patience_counter
        stopping.early_stopping_patience_counter = max(before, now)

    _on_stopping("check_metric_value", around)


@fault("callbacks.early-stopping")
def compared_with_the_last_value() -> None:
    """A metric is held against that of the evaluation before, not against the best."""

    def around(original: Any, stopping: Any, args: Any, state: Any, *rest: Any) -> None:
        last = SimpleNamespace(best_metric=getattr(stopping, "last", None))
        original(stopping, args, last, *rest)
        stopping.last = rest[-1]

    _on_stopping("check_metric_value", around)


def _after_restoring(act: Callable[[Any], None]) -> None:
    def around(original: Any, trainer: Any) -> None:
        original(trainer)
        act(trainer)

    on_trainer("_load_callback_state", around)


@fault("callbacks.early-stopping-resumed")
def callback_states_not_restored() -> None:
    """A resume leaves callbacks as they were passed."""
    on_trainer("_load_callback_state", lambda original, trainer: None)


@fault("callbacks.early-stopping-resumed")
def one_wait_forgotten() -> None:
    """A resume restores one evaluation less than were waited for."""

    def act(trainer: Any) -> None:
        for stopping in _stoppings(trainer):
            waited = stopping.early_stopping_patience_counter
            stopping.early_stopping_patience_counter = max(0, waited - 1)

    _after_restoring(act)


@fault("callbacks.early-stopping-resumed")
def best_metric_forgotten() -> None:
    """A resume forgets the best metric, so that whatever comes next is an improvement."""
    _after_restoring(lambda trainer: setattr(trainer.state, "best_metric", None))


# ---- TensorBoard ----------------------------------------------------------------------------


def _on_tensorboard_log(change: Callable[[Any, dict[str, Any]], tuple[Any, Any]]) -> None:
    """Let TensorBoard's callback hear of the state and logs that ``change`` makes of them."""
    from transformers.integrations import TensorBoardCallback

    def around(
        original: Any, callback: Any, args: Any, state: Any, *rest: Any, **named: Any
    ) -> Any:
        state, named["logs"] = change(state, dict(named["logs"]))
        return original(callback, args, state, *rest, **named)

    wrap(TensorBoardCallback, "on_log", around)


@fault("callbacks.tensorboard")
def curves_rounded_as_printed() -> None:
    """Event files hold values rounded to four decimals."""

    def change(state: Any, logs: dict[str, Any]) -> tuple[Any, Any]:
        return state, {name: round(value, 4) for name, value in logs.items()}

    _on_tensorboard_log(change)


@fault("callbacks.tensorboard")
def curves_one_step_late() -> None:
    """Evaluations are written at the step after theirs."""

    def change(state: Any, logs: dict[str, Any]) -> tuple[Any, Any]:
        late = copy.copy(state)
        late.global_step += "eval_loss" in logs
        return late, logs

    _on_tensorboard_log(change)


@fault("callbacks.tensorboard")
def last_log_not_written() -> None:
    """What is logged when training ends does not reach the event files."""

    def change(state: Any, logs: dict[str, Any]) -> tuple[Any, Any]:
        return state, {} if "train_runtime" in logs else logs

    _on_tensorboard_log(change)


@fault("callbacks.tensorboard")
def evaluations_tagged_as_training() -> None:
    """Metrics of evaluations are written under the tags of the training."""
    from transformers.integrations import integration_utils

    wrap(
        integration_utils,
        "rewrite_logs",
        lambda original, logs: {f"train/{name}": value for name, value in logs.items()},
    )


@fault("callbacks.tensorboard")
def curve_that_nobody_logged() -> None:
    """The best metric so far is written as well, though it is not logged."""

    def change(state: Any, logs: dict[str, Any]) -> tuple[Any, Any]:
        return state, {**logs, "best_metric": state.best_metric or 0.0}

    _on_tensorboard_log(change)
