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
