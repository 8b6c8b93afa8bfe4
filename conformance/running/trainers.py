"""A Trainer as a scenario says, for tests that hold one in their hands."""

from pathlib import Path
from typing import Any

from conformance import subjects
from conformance.scenarios import Scenario

from . import build, data
from .tasks import Example

Evaluated = list[Example] | dict[str, list[Example]] | None


def trainer(
    trainer_class: type,
    scenario: Scenario,
    folder: Path,
    *,
    model: Any = None,
    evaluated: Evaluated = None,
    extra_arguments: dict[str, Any] | None = None,
    **named: Any,
) -> Any:
    """A Trainer of this class that writes to ``folder``.

    ``model`` is the scenario's own with a fresh adapter unless it is given; ``extra_arguments`` go
    to the `TrainingArguments` and ``named`` to the Trainer, instead of what the scenario says.
    """
    if model is None:
        model = build.inject(scenario, build.base_model(scenario), seed=1)
    return trainer_class(
        model=model,
        args=build.arguments(scenario, folder, trainer_class, **(extra_arguments or {})),
        **{**trainer_keywords(trainer_class, scenario, evaluated), **named},
    )


def trainer_keywords(
    trainer_class: type, scenario: Scenario, evaluated: Evaluated = None
) -> dict[str, Any]:
    """The keyword arguments of a Trainer of this class besides its model and arguments.

    They hold the collator, the scenario's training examples, those to be ``evaluated``, and what
    else the class's `Subject` says, everything as it says; iterable data are handed as they are.
    """
    subject = subjects.of(trainer_class)
    trained = data.training_dataset(scenario)
    handed: dict[str, Any] = {
        "data_collator": data.collator(scenario),
        "train_dataset": trained if scenario.iterable else subject.dataset(trained),
        **subject.keywords(scenario),
    }
    if isinstance(evaluated, dict):
        parts = {name: subject.dataset(part) for name, part in evaluated.items()}
        return {**handed, "eval_dataset": parts}
    return handed if evaluated is None else {**handed, "eval_dataset": subject.dataset(evaluated)}
