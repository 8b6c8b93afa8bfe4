"""Hypothesis strategies for scenarios. What they shrink to is the plainest training that fails."""

from typing import Any

from hypothesis import strategies as st

from .adapters import LORA_RECIPES, RECIPES
from .families import core_families
from .scenario import SAMPLINGS, Injection, Scenario
from .schedules import SCHEDULES


def trainings(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Scenario]:
    """Any short training; ``fixed`` replaces how single fields are drawn."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "architecture": st.sampled_from(("llama", *core_families())),
        "injection": st.sampled_from(Injection),
        "adapter": st.sampled_from(LORA_RECIPES),
        "examples": st.integers(3, 12),
        "varied_lengths": st.booleans(),
        "batch_size": st.integers(1, 4),
        "accumulation": st.integers(1, 4),
        "epochs": st.sampled_from((1.0, 2.0, 1.5, 3.0)),
        "sampling": st.sampled_from(SAMPLINGS),
        "drop_last": st.booleans(),
        "dropout": st.sampled_from((0.0, 0.1)),
        "optimizer": st.sampled_from(("adamw_torch", "adamw_torch_fused", "adagrad", "adafactor")),
        "schedule": st.sampled_from([name for name in SCHEDULES if name != "constant"]),
        "warmup_steps": st.integers(0, 3),
        "weight_decay": st.sampled_from((0.0, 0.1)),
        "max_grad_norm": st.sampled_from((1.0, 0.1, 10.0, 0.0)),
        "neftune": st.sampled_from((0.0, 5.0)),
        "count_tokens": st.sampled_from(("", "all", "non_padding")),
        "extra_column": st.booleans(),
        "label_smoothing": st.sampled_from((0.0, 0.1)),
        "logging_steps": st.integers(1, 3),
        "seed": st.integers(0, 2**16),
    }
    return st.builds(Scenario, **{**drawn, **fixed}).filter(lambda scenario: scenario.steps > 0)


def followed(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Scenario]:
    """Trainings that the hand-written loop can follow: nothing drawn in the forward pass."""
    recipes = tuple(name for name in LORA_RECIPES if not RECIPES[name].stochastic)
    plain = {
        "dropout": st.just(0.0),
        "neftune": st.just(0.0),
        "adapter": st.sampled_from(recipes),
        "sampling": st.sampled_from(("random", "sequential")),
    }
    return trainings(**{**plain, **fixed})


def resumable() -> st.SearchStrategy[Scenario]:
    """Trainings of at least two steps that save at every step."""
    saving = trainings(save=st.just("steps"))
    return saving.filter(lambda scenario: scenario.steps > 1)
