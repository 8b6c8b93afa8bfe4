"""Defects that Transformers had in which checkpoint is the best one."""

from pathlib import Path
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


@fault("checkpoint.best-model")
def losses_of_datasets_unknown() -> None:
    """Of a loss of one of several datasets, `eval_one_loss`, greater is better.

    (https://github.com/huggingface/transformers/pull/31142).
    """
    from transformers import TrainingArguments

    def around(original: Any, arguments: Any) -> None:
        undecided = arguments.greater_is_better is None
        original(arguments)
        if undecided and arguments.metric_for_best_model not in (None, "loss", "eval_loss"):
            arguments.greater_is_better = True

    wrap(TrainingArguments, "__post_init__", around)


@fault("checkpoint.best-model")
def best_step_taken_for_a_checkpoint() -> None:
    """The best step's checkpoint is the best one, though none was written at that step.

    (https://github.com/huggingface/transformers/pull/35885).
    """

    def around(original: Any, trainer: Any, metrics: Any, trial: Any) -> bool:
        found = bool(original(trainer, metrics, trial))
        if found:
            folder = Path(trainer.args.output_dir) / f"checkpoint-{trainer.state.global_step}"
            trainer.state.best_model_checkpoint = str(folder)
        return found

    on_trainer("_determine_best_metric", around)


def _restored(act: Any) -> None:
    """Call ``act(state, path)`` when a state has been read from a file."""
    from transformers.trainer_callback import TrainerState

    original: Any = TrainerState.load_from_json

    def restored(cls: Any, path: str) -> Any:
        state = original.__func__(cls, path)
        act(state)
        return state

    setattr(TrainerState, "load_from_json", classmethod(restored))  # noqa: B010


@fault("checkpoint.best-model")
def best_checkpoint_forgotten_by_a_resume() -> None:
    """A resume brings the best metric back, and not the checkpoint that had it."""
    _restored(lambda state: setattr(state, "best_model_checkpoint", None))


@fault("checkpoint.best-model")
def best_checkpoint_that_is_gone() -> None:
    """A best checkpoint that was there when the state was saved is taken to be there for ever.

    (https://github.com/huggingface/transformers/issues/48315).
    """
    gone: list[str] = []
    _restored(lambda state: gone.append(state.best_model_checkpoint))

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        found = original(trainer, *rest, **named)
        if gone and gone[-1] is not None:
            trainer.state.best_model_checkpoint = gone[-1]
        return found

    on_trainer("_init_training_state", around)


@fault("checkpoint.best-model")
def best_prompt_not_loaded() -> None:
    """The best checkpoint of a method that learns prompts is not loaded.

    (https://github.com/huggingface/peft/issues/2256).
    """

    def around(original: Any, trainer: Any) -> None:
        configs = getattr(trainer.model, "peft_config", {}).values()
        if not any(config.is_prompt_learning for config in configs):
            original(trainer)

    on_trainer("_load_best_model", around)


@fault("checkpoint.total-limit")
def best_told_by_its_spelling() -> None:
    """The best checkpoint is looked for by its path as it is spelt."""
    from transformers import trainer

    def around(original: Any, *rest: Any, best_model_checkpoint: Any = None, **named: Any) -> Any:
        spelt = best_model_checkpoint == str(Path(best_model_checkpoint or ""))
        best = best_model_checkpoint if spelt else None
        return original(*rest, best_model_checkpoint=best, **named)

    wrap(trainer, "rotate_checkpoints", around)


@fault("checkpoint.best-model")
def best_not_noted_by_its_strategy() -> None:
    """With `save_strategy="best"` it is not noted which step was the best.

    (https://github.com/huggingface/transformers/pull/40221).
    """

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        better = original(trainer, *rest, **named)
        if trainer.args.save_strategy == "best":
            trainer.state.best_global_step = None
        return better

    on_trainer("_determine_best_metric", around)
