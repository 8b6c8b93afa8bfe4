"""Defects in callbacks: their events, what they see, their flags, and those that raise."""

from collections.abc import Callable
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _on_handler(name: str, around: Callable[..., Any]) -> None:
    """`wrap` a method of the handler that calls the callbacks."""
    from transformers.trainer_callback import CallbackHandler

    wrap(CallbackHandler, name, around)


def _before_event(name: str, act: Callable[..., None]) -> None:
    """Call ``act(handler, args, state, control)`` before the callbacks hear of an event."""

    def around(
        original: Any, handler: Any, args: Any, state: Any, control: Any, *rest: Any, **named: Any
    ) -> Any:
        act(handler, args, state, control)
        return original(handler, args, state, control, *rest, **named)

    _on_handler(name, around)


def _after_event(name: str, act: Callable[..., None]) -> None:
    """Call ``act(handler, args, state, control)`` when the callbacks have heard of an event."""

    def around(original: Any, handler: Any, args: Any, state: Any, *rest: Any, **named: Any) -> Any:
        control = original(handler, args, state, *rest, **named)
        act(handler, args, state, control)
        return control

    _on_handler(name, around)


def _gradients(model: Any) -> list[Any]:
    return [p.grad for p in model.parameters() if p.grad is not None]


# ---- order ----------------------------------------------------------------------------------


@fault("callbacks.order")
def last_epoch_never_ends() -> None:
    """The end of the last epoch is not announced."""

    def around(
        original: Any, handler: Any, args: Any, state: Any, control: Any, **named: Any
    ) -> Any:
        if state.global_step >= state.max_steps:
            return control
        return original(handler, args, state, control, **named)

    _on_handler("on_epoch_end", around)


@fault("callbacks.order")
def step_begins_with_every_micro_batch() -> None:
    """The end of a micro-batch inside an accumulation window is announced as a step's beginning."""

    def around(original: Any, handler: Any, *rest: Any, **named: Any) -> Any:
        return handler.call_event("on_step_begin", *rest, **named)

    _on_handler("on_substep_end", around)


@fault("callbacks.order")
def evaluation_announced_before_its_log() -> None:
    """Callbacks hear of an evaluation before its metrics are logged, and then once more."""

    def around(original: Any, trainer: Any, logs: Any, *rest: Any, **named: Any) -> Any:
        if "eval_loss" in logs:
            trainer.callback_handler.call_event(
                "on_evaluate", trainer.args, trainer.state, trainer.control, metrics=logs
            )
        return original(trainer, logs, *rest, **named)

    on_trainer("log", around)


@fault("callbacks.order")
def epoch_counted_in_optimizer_steps() -> None:
    """The fraction of an epoch counts its optimizer steps, which a shorter last window belies."""

    def act(handler: Any, args: Any, state: Any, control: Any) -> None:
        batches, window = len(handler.train_dataloader), args.gradient_accumulation_steps
        whole, rest = divmod(round(state.epoch * batches), batches)
        state.epoch = whole + -(-rest // window) / -(-batches // window)

    _before_event("on_step_end", act)


# ---- what events see ------------------------------------------------------------------------


@fault("callbacks.seen")
def gradients_zeroed_before_optimizer_event() -> None:
    """Gradients are zeroed before callbacks hear that the optimizer has stepped."""
    _before_event("on_optimizer_step", lambda handler, *_: handler.model.zero_grad())


@fault("callbacks.seen")
def gradients_shown_before_clipping() -> None:
    """`on_pre_optimizer_step` shows gradients larger than those the optimizer gets."""

    def around(original: Any, handler: Any, *rest: Any, **named: Any) -> Any:
        for gradient in _gradients(handler.model):
            gradient.mul_(2)
        control = original(handler, *rest, **named)
        for gradient in _gradients(handler.model):
            gradient.div_(2)
        return control

    _on_handler("on_pre_optimizer_step", around)


@fault("callbacks.seen")
def metrics_of_the_evaluation_before() -> None:
    """`on_evaluate` is handed the metrics of the evaluation before."""
    last: list[Any] = []

    def around(original: Any, handler: Any, *rest: Any, **named: Any) -> Any:
        *others, metrics = rest
        last.append(metrics)
        return original(handler, *others, last[-2:][0], **named)

    _on_handler("on_evaluate", around)


@fault("callbacks.seen")
def schedule_not_handed_over() -> None:
    """Once training has begun, callbacks are no longer handed the scheduler."""
    _after_event("on_train_begin", lambda handler, *_: setattr(handler, "lr_scheduler", None))


# ---- flags ----------------------------------------------------------------------------------


@fault("callbacks.control")
def epoch_stop_a_step_late() -> None:
    """An epoch that a callback stops goes on for one step more."""
    asked: list[bool] = [False]

    def act(handler: Any, args: Any, state: Any, control: Any) -> None:
        control.should_epoch_stop, asked[0] = asked[0], control.should_epoch_stop

    _after_event("on_step_end", act)


@fault("callbacks.control")
def save_flag_not_set_back() -> None:
    """What was saved once is saved again as the epoch ends."""
    _after_event("on_save", lambda *seen: setattr(seen[-1], "should_save", True))


@fault("callbacks.control")
def default_flow_has_the_last_word() -> None:
    """The default flow comes after all other callbacks, which so cannot take its wishes back."""
    from transformers.trainer_callback import DefaultFlowCallback

    def act(handler: Any, *_: Any) -> None:
        handler.callbacks.sort(key=lambda callback: isinstance(callback, DefaultFlowCallback))

    _before_event("on_train_begin", act)


@fault("callbacks.control")
def wishes_inside_a_window_lost() -> None:
    """An evaluation that a callback asks for inside an accumulation window is forgotten."""
    _before_event(
        "on_pre_optimizer_step", lambda *seen: setattr(seen[-1], "should_evaluate", False)
    )


# ---- a callback that raises -----------------------------------------------------------------


@fault("callbacks.raising")
def exceptions_of_evaluations_swallowed() -> None:
    """What a callback raises during an evaluation is swallowed."""

    def around(original: Any, handler: Any, *rest: Any, **named: Any) -> Any:
        try:
            return original(handler, *rest, **named)
        except Exception:
            return rest[2]

    _on_handler("on_prediction_step", around)


@fault("callbacks.raising")
def exceptions_dressed_up() -> None:
    """What a callback raises comes out of `train` as another exception."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        try:
            return original(trainer, *rest, **named)
        except Exception as error:
            raise RuntimeError(str(error)) from error

    on_trainer("train", around)


@fault("callbacks.raising")
def last_checkpoint_cleaned_up() -> None:
    """A training that fails removes the optimizer's state of the last checkpoint it wrote."""
    from pathlib import Path

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        try:
            return original(trainer, *rest, **named)
        except Exception:
            written = Path(trainer.args.output_dir).glob("checkpoint-*/optimizer.pt")
            for file in sorted(written)[-1:]:
                file.unlink()
            raise

    on_trainer("train", around)


@fault("callbacks.seen")
def data_of_the_first_evaluation() -> None:
    """Callbacks are handed the data of the first evaluation in all that follow."""
    from transformers.trainer_callback import CallbackHandler

    def keep_first(handler: Any, loader: Any) -> None:
        if handler.__dict__.get("evaluated_on") is None:
            handler.__dict__["evaluated_on"] = loader

    first = property(lambda handler: handler.__dict__["evaluated_on"], keep_first)
    CallbackHandler.eval_dataloader = first
