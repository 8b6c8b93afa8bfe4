"""Scenarios are plain data: they paste back, have ids that last, and cover what they should."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings

from conformance.marks import chosen, sweep
from conformance.scenarios import PROFILES, Injection, Scenario, pairwise
from conformance.scenarios.strategies import trainings
from conformance.scenarios.sweep import axes


@settings(max_examples=50, deadline=None)
@given(trainings())
def test_repr_pastes_back(scenario: Scenario) -> None:
    assert eval(repr(scenario), {"Scenario": Scenario}) == scenario
    assert Scenario.from_repr(repr(scenario)) == scenario


@settings(max_examples=50, deadline=None)
@given(trainings())
def test_json_both_ways(scenario: Scenario) -> None:
    assert Scenario.from_json(scenario.changed()) == scenario


def test_ids_are_frozen() -> None:
    """Other people's CI compares by them."""
    scenario = Scenario(injection=Injection.NATIVE, adapter="dora", accumulation=3, load_best=True)
    assert scenario.id == "llama-native-dora,acc=3,load_best=1"
    assert Scenario().id == "llama-wrapped-lora"


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_ids_are_unique(strength: int) -> None:
    swept = pairwise(strength)
    assert len({scenario.id for scenario in swept}) == len(set(swept)) == len(swept)


def test_the_sweep_meets_every_pair_of_values() -> None:
    seen = pairwise(2)
    for (one, ones), (other, others) in combinations(axes().items(), 2):
        wanted = {(a, b) for a in ones for b in others}
        assert {(getattr(s, one), getattr(s, other)) for s in seen} == wanted, (one, other)


@pytest.mark.parametrize(
    "field", ["architecture", "adapter", "sampling", "evaluate", "save", "injection"]
)
def test_unknown_values_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match="zzz"):
        Scenario(**{field: "zzz"})


@pytest.mark.parametrize(
    ("scenario", "per_epoch", "steps"),
    [
        (Scenario(examples=10, batch_size=3, accumulation=2), 2, 2),
        (Scenario(examples=10, batch_size=3, accumulation=2, drop_last=True), 2, 2),
        (Scenario(examples=10, batch_size=2, epochs=1.5), 5, 8),
        (Scenario(examples=10, max_steps=3), 5, 3),
    ],
)
def test_counts(scenario: Scenario, per_epoch: int, steps: int) -> None:
    assert (scenario.steps_per_epoch, scenario.steps) == (per_epoch, steps)


def test_thinning_keeps_first_and_last() -> None:
    everything = pairwise(1)
    thinned = replace(PROFILES["smoke"], most=2).thinned(everything)
    assert (thinned[0], thinned[-1], len(thinned)) == (everything[0], everything[-1], 2)
    assert PROFILES["smoke"].thinned(everything) == everything[:1]
    assert PROFILES["quick"].thinned(everything) == everything


def test_a_thinned_test_meets_what_its_subject_can_train_first() -> None:
    mark = sweep().mark
    able = {s for s in pairwise(1) if s.family.task == "causal-lm"}
    found = chosen(mark, "smoke", able.__contains__)
    assert [scenario in able for scenario in found] == [True, False]
    assert set(chosen(mark, "quick", able.__contains__)) == set(chosen(mark, "quick"))


@pytest.mark.parametrize("text", ["Scenario(", "Scenario(1)", "Scenario(zzz=1)", "print('x')", "1"])
def test_what_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Scenario.from_repr(text)
