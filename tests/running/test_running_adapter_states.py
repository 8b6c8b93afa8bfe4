"""The tensors a checkpoint should hold are peft's own answer, however often it is asked."""

import pytest
import torch

from conformance.judging import identical
from conformance.running import build
from conformance.running.adapter_states import AdapterStates, adapter_state_dicts
from conformance.scenarios import LORA_RECIPES, Scenario


@pytest.mark.parametrize("adapter", [*LORA_RECIPES, "prompt-tuning", "adalora", "vera"])
def test_follows_the_model(adapter: str) -> None:
    """After every change of the adapter, its new values, as peft gives them."""
    scenario = Scenario(adapter=adapter)
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    states = AdapterStates(model)
    before = states()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    after, told = states(), adapter_state_dicts(model)
    assert after.keys() == told.keys()
    for name, expected in told.items():
        identical(name, after[name], expected)
    moved = scenario.recipe.name
    assert any(not torch.equal(after[moved][key], before[moved][key]) for key in before[moved])


def test_sees_a_new_adapter() -> None:
    """An adapter that was added since is among them."""
    scenario = Scenario()
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    states = AdapterStates(model)
    states()
    model.add_adapter("other", build.adapter_config(scenario))
    assert states().keys() == {"default", "other"}


def test_sees_that_ranks_were_pruned() -> None:
    """AdaLoRA's config tells which ranks are left, and peft cuts the tensors to them."""
    scenario = Scenario(adapter="adalora")
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    states = AdapterStates(model)
    whole = states()["default"]
    model.peft_config["default"].rank_pattern = {
        name.removeprefix("base_model.model."): [True, *[False] * (len(parameter) - 1)]
        for name, parameter in model.named_parameters()
        if "lora_E" in name
    }
    pruned = states()["default"]
    identical("pruned", pruned, adapter_state_dicts(model)["default"])
    assert {t.shape[0] for n, t in pruned.items() if "lora_A" in n} == {1}
    assert {t.shape[0] for n, t in whole.items() if "lora_A" in n} != {1}
