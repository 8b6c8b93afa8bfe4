"""Defects in evaluating and predicting without training."""

from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _around_the_loop(act: Any) -> None:
    """Replace what an evaluation loop gives by ``act(trainer, output)``."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        return act(trainer, original(trainer, *rest, **named))

    on_trainer("evaluation_loop", around)


@fault("evaluation.speeds")
def streamed_examples_counted_by_batches() -> None:
    """Of data without a length as many examples are counted as whole batches hold."""

    def act(trainer: Any, output: Any) -> Any:
        size = trainer.args.eval_batch_size
        return output._replace(num_samples=-(-output.num_samples // size) * size)

    _around_the_loop(act)


@fault("evaluation.speeds")
def last_streamed_batch_not_counted() -> None:
    """The last batch of data without a length is not counted."""
    import transformers.trainer as trainer_module

    def around(original: Any, inputs: Any) -> Any:
        found = original(inputs)
        return found if found == 2 else 0

    wrap(trainer_module, "find_batch_size", around)


@fault("evaluation.batches-apart")
def batches_always_joined() -> None:
    """`eval_do_concat_batches` is not looked at."""
    import transformers.trainer as trainer_module

    wrap(
        trainer_module,
        "EvalLoopContainer",
        lambda original, _, **named: original(True, **named),
    )


@fault("evaluation.predict")
def predictions_of_the_last_batch_first() -> None:
    """Predictions come in another order than the examples."""

    def act(_: Any, output: Any) -> Any:
        found = output.predictions
        return output._replace(predictions=found[::-1].copy())

    _around_the_loop(act)


@fault("evaluation.predict")
def predicted_under_the_prefix_of_evaluations() -> None:
    """The metrics of a prediction are named as those of an evaluation."""

    def around(
        original: Any, trainer: Any, *rest: Any, metric_key_prefix: str = "test", **named: Any
    ) -> Any:
        return original(trainer, *rest, metric_key_prefix="eval", **named)

    on_trainer("predict", around)
