"""Defects in evaluating and predicting, in what is made of it, and in what it leaves behind."""

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


@fault("evaluation.loss-present")
def evaluations_smoothed_out_of_line() -> None:
    """Under label smoothing evaluations of causal models score labels where they stand."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, outputs: Any, labels: Any, **named: Any) -> Any:
        import torch

        if not torch.is_grad_enabled():
            named["shift_labels"] = False
        return original(smoother, outputs, labels, **named)

    wrap(LabelSmoother, "__call__", around)


@fault("evaluation.loss-present")
def evaluations_divided_by_the_window() -> None:
    """The loss of evaluations is divided by the accumulation steps."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        loss, *others = original(trainer, *rest, **named)
        return (loss / trainer.args.gradient_accumulation_steps, *others)

    on_trainer("prediction_step", around)


@fault("evaluation.loss-present")
def labels_of_answers_unknown() -> None:
    """The labels of question answering, which have other names, are not found."""
    import transformers.trainer as trainer_module

    def around(original: Any, model_class: type) -> list[str]:
        return [name for name in original(model_class) if name == "labels"]

    wrap(trainer_module, "find_labels", around)


@fault("evaluation.mode")
def cast_for_evaluation_while_training() -> None:
    """`bf16_full_eval` casts the model in evaluations during training, too."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        training, trainer.is_in_train = trainer.is_in_train, False
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.is_in_train = training

    on_trainer("evaluation_loop", around)


@fault("search.best-run")
def speeds_in_the_objective() -> None:
    """The default objective sums the speeds of an evaluation with its metrics."""
    from transformers import trainer_utils

    def around(original: Any, metrics: dict[str, float]) -> float:
        extra = metrics.get("eval_steps_per_second", 0.0) if len(metrics) > 5 else 0.0
        return float(original(metrics)) + extra

    wrap(trainer_utils, "default_compute_objective", around)


@fault("search.trial")
def trials_counted_at_their_end() -> None:
    """The operations of a trial are counted when it ends, and those of its last step twice."""

    def around(original: Any, trainer: Any, trial: Any, *rest: Any) -> Any:
        if trial is not None:
            trainer.current_flos += trainer.state.total_flos / 10
        return original(trainer, trial, *rest)

    on_trainer("_finalize_training", around)


@fault("frozen.config-kept")
def left_in_inference_mode() -> None:
    """A checkpoint leaves the adapter's config in inference mode."""
    from .seams import after_saving

    def leave(trainer: Any, _: Any) -> None:
        for config in trainer.model.peft_config.values():
            config.inference_mode = True

    after_saving(leave)


@fault("evaluation.nan-filter")
def batches_without_labels_count() -> None:
    """`eval_loss` is a mean over all batches, those without a label as well."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        filtering = trainer.args.logging_nan_inf_filter
        trainer.args.logging_nan_inf_filter = False
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.args.logging_nan_inf_filter = filtering

    on_trainer("evaluation_loop", around)


@fault("evaluation.given-data")
def first_loader_kept_for_all() -> None:
    """The loader of the first evaluation is kept, and gone through in all that follow.

    (https://github.com/huggingface/transformers/issues/30527).
    """

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if not hasattr(trainer, "first_loader"):
            trainer.first_loader = original(trainer, *rest, **named)
        return trainer.first_loader

    on_trainer("get_eval_dataloader", around)


@fault("evaluation.predict")
def the_last_whole_batch_cut() -> None:
    """Where the last batch is dropped, the one before it is cut to that one's rows.

    (https://github.com/huggingface/accelerate/pull/2048).
    """
    from accelerate.data_loader import DataLoaderStateMixin

    def around(original: Any, loader: Any) -> None:
        original(loader)
        if loader._drop_last:
            loader.remainder = len(loader.dataset) % loader.total_batch_size

    wrap(DataLoaderStateMixin, "begin", around)
