"""Defects in hyperparameter searches."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _on_setup(act: Callable[[Any, dict[str, Any]], None]) -> None:
    """Call ``act(trainer, before)`` when a trial's values are in the arguments, which were
    ``before``.
    """

    def around(original: Any, trainer: Any, trial: Any) -> None:
        before = dict(vars(trainer.args))
        original(trainer, trial)
        if trial is not None:
            act(trainer, before)

    on_trainer("_hp_search_setup", around)


@fault("search.optuna")
def values_rounded() -> None:
    """A trial's learning rate is rounded to four decimals."""

    def act(trainer: Any, _: Any) -> None:
        trainer.args.learning_rate = round(trainer.args.learning_rate, 4)

    _on_setup(act)


@fault("search.optuna")
def values_of_the_trial_before() -> None:
    """Each trial trains with the values of the one before."""
    last: list[Any] = []

    def around(original: Any, trainer: Any, hp_space: Any, **named: Any) -> Any:
        def late(trial: Any) -> Any:
            last.append(hp_space(trial))
            return last[-2:][0]

        return original(trainer, hp_space=late, **named)

    on_trainer("hyperparameter_search", around)


@fault("search.any-argument")
def batch_size_of_the_first_trial() -> None:
    """Trials train with the batch size that the Trainer was constructed with."""

    def around(original: Any, trainer: Any, trial: Any) -> None:
        size = trainer._train_batch_size
        original(trainer, trial)
        trainer._train_batch_size = size

    on_trainer("_hp_search_setup", around)


@fault("search.any-argument")
def clipping_of_the_first_trial() -> None:
    """A trial's clipping is that which the Trainer was constructed with."""

    def act(trainer: Any, before: dict[str, Any]) -> None:
        trainer.args.max_grad_norm = before["max_grad_norm"]

    _on_setup(act)


@fault("search.any-value")
def names_dropped() -> None:
    """Values sampled by name, such as the schedule's, are dropped."""

    def act(trainer: Any, before: dict[str, Any]) -> None:
        for name, value in before.items():
            if isinstance(value, Enum):
                setattr(trainer.args, name, value)

    _on_setup(act)


@fault("search.seed")
def sampled_seed_dropped() -> None:
    """A seed that is sampled does not reach the arguments of the trial."""

    def act(trainer: Any, before: dict[str, Any]) -> None:
        trainer.args.seed = before["seed"]

    _on_setup(act)


@fault("search.fresh-adapter")
def model_made_once() -> None:
    """All trials train the model that was made for the first."""

    def around(original: Any, trainer: Any, trial: Any = None) -> Any:
        if not hasattr(trainer, "made"):
            trainer.made = original(trainer, trial)
        return trainer.made

    on_trainer("call_model_init", around)


@fault("search.fresh-adapter")
def model_drawn_without_the_seed() -> None:
    """The seed is not set before a trial's model is made, so that every trial draws another."""
    import transformers.trainer as trainer_module

    wrap(trainer_module, "set_seed", lambda original, *_, **__: None)


@fault("search.best-run")
def direction_ignored() -> None:
    """The smallest objective is taken for the best, whatever the direction."""
    from transformers.hyperparameter_search import OptunaBackend

    def around(original: Any, backend: Any, trainer: Any, trials: int, _: str, **named: Any) -> Any:
        return original(backend, trainer, trials, "minimize", **named)

    wrap(OptunaBackend, "run", around)


@fault("search.best-run")
def objective_of_the_first_evaluation() -> None:
    """A trial's objective is that of its first evaluation."""

    def around(original: Any, trainer: Any, trial: Any, step: int, metrics: Any) -> None:
        held = trainer.objective
        original(trainer, trial, step, metrics)
        if held is not None:
            trainer.objective = held

    on_trainer("_report_to_hp_search", around)


@fault("search.best-run")
def values_of_the_last_trial() -> None:
    """The best run is returned with the values of the last trial."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        best = original(trainer, *rest, **named)
        names = best.hyperparameters
        return best._replace(hyperparameters={name: getattr(trainer.args, name) for name in names})

    on_trainer("hyperparameter_search", around)


@fault("search.folders")
def trials_share_a_folder() -> None:
    """All trials write their checkpoints into the output directory."""
    on_trainer("_get_output_dir", lambda original, trainer, trial: trainer.args.output_dir)


@fault("search.folders")
def folders_counted_from_one() -> None:
    """The folder of a trial is numbered one higher than the trial."""

    def around(original: Any, trainer: Any, trial: Any) -> str:
        folder: str = original(trainer, trial)
        head, mark, number = folder.rpartition("run-")
        return f"{head}{mark}{int(number) + 1}" if mark and number.isdigit() else folder

    on_trainer("_get_output_dir", around)


@fault("search.pruned")
def reported_a_step_late() -> None:
    """Objectives are reported to Optuna one step late."""

    def around(original: Any, trainer: Any, trial: Any, step: int, metrics: Any) -> None:
        original(trainer, trial, step + 1, metrics)

    on_trainer("_report_to_hp_search", around)


@fault("search.any-argument")
def accelerator_of_the_trial_before() -> None:
    """What orders the data is not made anew of a trial's values."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        held = trainer.accelerator
        result = original(trainer, *rest, **named)
        trainer.accelerator = held
        return result

    on_trainer("_hp_search_setup", around)
