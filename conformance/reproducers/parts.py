"""What a scenario is made of, as plain values that a script can hold."""

import inspect
from copy import deepcopy
from pathlib import Path
from typing import Any

from conformance import compat
from conformance.running import build, quantized
from conformance.running.single import ADAPTER_SEED, OTHER_SEED
from conformance.scenarios import Scenario

from . import examples


def parts(scenario: Scenario, evaluated: bool = False) -> dict[str, Any]:
    """Names in the templates to the scenario's values; ``evaluated`` asks for evaluation data.

    Raises `Unavailable` where the installed releases do not offer what it asks for.
    """
    recipe, task = scenario.recipe, scenario.task
    evaluated = evaluated or scenario.evaluate != "no"
    return {
        "scenario": scenario,
        "task_name": scenario.family.task,
        "auto_class": task.auto_class,
        "labels": task.labels,
        "outputs": task.outputs,
        "shifted": task.shifted,
        "config": model_config(scenario),
        "base_seed": build.BASE_SEED,
        "adapter_seed": ADAPTER_SEED,
        "other_seed": OTHER_SEED,
        "peft_config": recipe.config,
        "adapter": build.adapter_arguments(scenario),
        "adapter_name": recipe.name,
        "others": recipe.order[1:],
        "inactive": recipe.inactive,
        "allocates": recipe.allocates,
        "tasks": recipe.tasks,
        "examples": examples.trained(scenario),
        "evaluation": examples.evaluated(scenario) if evaluated else None,
        "probe": examples.probe(scenario),
        "noise": examples.shape(scenario),
        "arguments": arguments(scenario),
        "left_by_name": quantized.left_by_name(scenario),
        "own_loss": scenario.custom_loss or not task.of_its_own,
    }


def model_config(scenario: Scenario) -> dict[str, Any]:
    """The config of the scenario's base model, as a dictionary that makes it anew."""
    family = scenario.family
    config = deepcopy(family.config)
    if scenario.hidden_size:
        config["hidden_size"] = scenario.hidden_size
    if family.dropout:
        _put(config, family.dropout, scenario.dropout)
    if scenario.wide:
        _put(config, family.feed_forward, _got(build.plain_model(scenario), family.feed_forward))
    config.pop("architectures", None)
    return {**config, **scenario.recipe.base_settings}


def trained_in_base(scenario: Scenario) -> list[str]:
    """The base's parameters that the adapter's config documents as trained."""
    names = (name for name, _ in build.plain_model(scenario).named_parameters())
    return sorted(n for n in names if scenario.recipe.trains_base(scenario.family, n))


def arguments(scenario: Scenario) -> dict[str, Any]:
    """What `TrainingArguments` are given besides their folder, without what is the default.

    Raises `Unavailable` where the installed release has no such argument.
    """
    from transformers import TrainingArguments

    defaults = inspect.signature(TrainingArguments).parameters

    def given(**named: Any) -> dict[str, Any]:
        return named

    given.__signature__ = inspect.signature(TrainingArguments)  # type: ignore[attr-defined]
    wanted = build.argument_values(scenario, Path("folder"), prepare=False)
    passed: dict[str, Any] = compat.training_arguments(given, {}, **wanted)
    return {
        name: value
        for name, value in passed.items()
        if name in _ALWAYS or (name != "output_dir" and value != defaults[name].default)
    }


_ALWAYS = ("learning_rate", "seed")  # said whether or not they are the defaults


def _put(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[name] = value


def _got(model: Any, path: str) -> Any:
    found: Any = model.config
    for name in path.split("."):
        found = getattr(found, name)
    return found
