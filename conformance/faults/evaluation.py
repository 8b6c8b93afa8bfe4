"""Defects in evaluations during training."""

from typing import Any

from .registry import fault
from .seams import adapter_weight, on_trainer, wrap


@fault("evaluation.loss-present")
def labels_hidden_by_the_wrapper() -> None:
    """The names of the labels are looked for in the wrapper, which has none."""
    import transformers.trainer as trainer_module

    wrap(trainer_module, "find_labels", lambda original, model_class: [])


@fault("evaluation.loss-present")
def eval_loss_a_thousandth_off() -> None:
    """`eval_loss` is 0.1 % too large."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        output = original(trainer, *rest, **named)
        for name in output.metrics:
            if name.endswith("_loss"):
                output.metrics[name] *= 1.001
        return output

    on_trainer("evaluation_loop", around)


@fault("evaluation.loss-present")
def short_batch_weighs_as_a_whole_one() -> None:
    """A shorter last batch counts in `eval_loss` as if it were whole."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.gather_function = trainer.accelerator.gather
        return original(trainer, *rest, **named)

    on_trainer("evaluation_loop", around)


@fault("evaluation.mode")
def evaluation_moves_the_adapter() -> None:
    """An evaluation leaves one adapter weight 1e-7 off."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        adapter_weight(trainer.model, "lora_A").data.add_(1e-7)
        return original(trainer, *rest, **named)

    on_trainer("evaluation_loop", around)


@fault("evaluation.mode")
def dropout_left_on() -> None:
    """Evaluations leave dropout on."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        return original(trainer, model.train(), *rest, **named)

    on_trainer("prediction_step", around)


@fault("evaluation.ignore-keys")
def ignored_keys_gathered() -> None:
    """`ignore_keys_for_eval` does not reach the prediction."""

    def around(original: Any, *arguments: Any, **named: Any) -> Any:
        return original(*arguments, **{**named, "ignore_keys": ["past_key_values"]})

    on_trainer("prediction_step", around)


@fault("evaluation.datasets")
def one_dataset_under_anothers_name() -> None:
    """Every dataset of a dictionary is evaluated as the first one."""

    def around(
        original: Any, trainer: Any, eval_dataset: Any = None, *rest: Any, **named: Any
    ) -> Any:
        if isinstance(eval_dataset, str):
            eval_dataset = next(iter(trainer.eval_dataset))
        elif isinstance(trainer.eval_dataset, dict) and trainer.is_in_train and eval_dataset:
            eval_dataset = next(iter(trainer.eval_dataset.values()))
        return original(trainer, eval_dataset, *rest, **named)

    on_trainer("evaluate", around)


def _handed(act: Any) -> None:
    """Pass what `compute_metrics` is handed through ``act(prediction)``."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        own = trainer.compute_metrics

        def changed(prediction: Any, **more: Any) -> Any:
            act(prediction)
            return own(prediction, **more)

        trainer.compute_metrics = own and changed
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.compute_metrics = own

    on_trainer("evaluation_loop", around)


@fault("evaluation.compute-metrics")
def last_example_dropped() -> None:
    """`compute_metrics` is handed all evaluation examples but the last."""

    def drop(prediction: Any) -> None:
        prediction.predictions = prediction.predictions[:-1]

    _handed(drop)


@fault("evaluation.compute-metrics")
def padded_with_zeros() -> None:
    """Shorter batches are padded with 0 instead of -100."""
    import transformers.trainer as trainer_module

    def around(original: Any, concatenate: Any, padding_index: int) -> Any:
        return original(concatenate, padding_index=0)

    wrap(trainer_module, "EvalLoopContainer", around)


@fault("evaluation.compute-metrics")
def metrics_without_prefix() -> None:
    """What `compute_metrics` returns is logged under another prefix."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        output = original(trainer, *rest, **named)
        if "eval_calls" in output.metrics:
            output.metrics["calls"] = output.metrics.pop("eval_calls")
        return output

    on_trainer("evaluation_loop", around)


@fault("evaluation.accumulation-steps")
def moved_predictions_halved() -> None:
    """All but the first predictions pass through float16 on their way to the CPU."""
    from transformers.trainer_pt_utils import EvalLoopContainer

    def around(original: Any, container: Any) -> Any:
        import torch

        held = container.tensors
        moved_before = container.arrays is not None
        if moved_before and torch.is_tensor(held) and held.is_floating_point():
            container.tensors = held.half().float()
        return original(container)

    wrap(EvalLoopContainer, "to_cpu_and_numpy", around)


@fault("evaluation.batch-metrics")
def result_asked_for_with_every_batch() -> None:
    """`compute_result` is true for every batch."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        own = trainer.compute_metrics
        trainer.compute_metrics = lambda handed, compute_result=True: own(
            handed, compute_result=True
        )
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.compute_metrics = own

    on_trainer("evaluation_loop", around)


@fault("evaluation.include-for-metrics")
def inputs_are_the_labels() -> None:
    """The inputs handed over are the labels."""

    def swap(prediction: Any) -> None:
        if prediction.inputs is not None:
            prediction.inputs = prediction.label_ids

    _handed(swap)


@fault("evaluation.include-for-metrics")
def losses_handed_unasked() -> None:
    """Losses are handed over where nobody asked for them."""

    def fill(prediction: Any) -> None:
        if prediction.losses is None:
            prediction.losses = [0.0]

    _handed(fill)


@fault("evaluation.preprocess-logits")
def logits_left_as_they_are() -> None:
    """`preprocess_logits_for_metrics` is called, and what it returns thrown away."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        own = trainer.preprocess_logits_for_metrics
        trainer.preprocess_logits_for_metrics = own and (lambda logits, labels: logits)
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.preprocess_logits_for_metrics = own

    on_trainer("evaluation_loop", around)


@fault("evaluation.loss-only")
def predictions_gathered_all_the_same() -> None:
    """`prediction_loss_only` is not looked at."""

    def around(original: Any, trainer: Any, model: Any, inputs: Any, _: Any, **named: Any) -> Any:
        return original(trainer, model, inputs, False, **named)

    on_trainer("prediction_step", around)


@fault("evaluation.cadence")
def no_evaluation_on_start() -> None:
    """`eval_on_start` is not looked at."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.args.eval_on_start = False
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("evaluation.cadence")
def delay_one_too_long() -> None:
    """The first evaluation waits one step, or epoch, longer than asked for."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if trainer.args.eval_delay:
            trainer.args.eval_delay += 1
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("evaluation.ignore-keys")
def ignored_keys_gathered_at_the_start() -> None:
    """`ignore_keys_for_eval` does not reach the evaluation before the first step."""

    def around(original: Any, trainer: Any, trial: Any, keys: Any, *rest: Any, **named: Any) -> Any:
        return original(trainer, trial, keys if trainer.state.global_step else None, *rest, **named)

    on_trainer("_evaluate", around)


@fault("evaluation.batch-metrics")
def losses_not_handed_over_by_the_batch() -> None:
    """Losses that are asked for are not handed over batch by batch."""
    from transformers import trainer

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        return original(*rest, **{**named, "losses": None})

    wrap(trainer, "EvalPrediction", around)
