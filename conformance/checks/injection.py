"""Where adapters sit, and that they are all that trains."""

from collections.abc import Collection
from typing import Any

from conformance.compat import Unavailable
from conformance.judging import same_names
from conformance.running import build
from conformance.running.build import base_name
from conformance.running.observation import Observation
from conformance.scenarios import Scenario


def adapted(model: Any) -> set[str]:
    """The base's names of the modules that a LoRA sits on."""
    names = (name for name, _ in model.named_parameters() if ".lora_A." in name)
    return {base_name(name.split(".lora_A.")[0]) for name in names}


def sits_on(observation: Observation, kinds: Collection[str]) -> None:
    """The modules with a LoRA are exactly those of the base with these last names."""
    owners = {name.rpartition(".")[0] for name in observation.base_before}
    expected = {name for name in owners if name.rpartition(".")[2] in kinds}
    lora = (name for name in observation.adapters_before if ".lora_A." in name)
    got = {base_name(name.split(".lora_A.")[0]) for name in lora}
    same_names("modules with an adapter", got, expected)


def trains_the_adapter_alone(observation: Observation) -> None:
    """The parameters that ask for gradients are the adapter's, all of them."""
    adapter = set(observation.adapters_before) & set(observation.parameters_before)
    same_names("the trainable parameters", observation.trainable, adapter)


def with_a_second(scenario: Scenario, model: Any, **changes: Any) -> Any:
    """The model with another adapter beside its own; raises `Unavailable` where it takes one."""
    try:
        build.add_adapter(scenario, model, "second", **changes)
    except ValueError as error:
        raise Unavailable(str(error)) from error
    return model


def acting(model: Any, names: list[str]) -> None:
    """Have these adapters act together; raises `Unavailable` where a method takes one at a time."""
    try:
        model.base_model.set_adapter(names)
    except ValueError as error:
        raise Unavailable(str(error)) from error
