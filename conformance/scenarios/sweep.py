"""The systematic sweep: every combination of any two (or three) values of the axes, once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Any

from covertable import make

from .adapters import LORA_RECIPES
from .families import core_families
from .scenario import Injection, Scenario


@dataclass(frozen=True, slots=True)
class Profile:
    """How broad a run is.

    ``strength`` is the number of the sweep's axes whose values meet in every combination,
    ``crossing`` the same for the fields that a single test crosses, ``examples`` the number of
    scenarios Hypothesis generates for a relation, ``resume_points`` how many steps of one training
    are resumed from (0 for all), ``most`` how many scenarios a single test meets (0 for all; fewer
    are taken evenly from all there are), ``listed`` how many of those that a test lists because
    each is special, where each costs several trainings (0 for all).
    """

    name: str
    strength: int
    crossing: int
    examples: int
    resume_points: int
    most: int = 0
    listed: int = 0

    def thinned(self, scenarios: Iterable[Scenario]) -> tuple[Scenario, ...]:
        """Of these scenarios, without repetitions, no more than the profile allows a test."""
        return evenly(scenarios, self.most)


def evenly(scenarios: Iterable[Scenario], most: int) -> tuple[Scenario, ...]:
    """``most`` of these scenarios without repetitions, the first and the last included; 0: all."""
    found = tuple(dict.fromkeys(scenarios))
    if not most or len(found) <= most:
        return found
    last = max(1, most - 1)
    return tuple(found[i * (len(found) - 1) // last] for i in range(most))


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "smoke": Profile("smoke", strength=1, crossing=1, examples=1, resume_points=1, most=1),
        "quick": Profile("quick", strength=2, crossing=1, examples=6, resume_points=1, listed=4),
        "full": Profile("full", strength=3, crossing=3, examples=200, resume_points=0),
        "faults": Profile("faults", strength=1, crossing=1, examples=2, resume_points=1),
    }
)

Axes = Mapping[str, Iterable[Any]]


def axes() -> Axes:
    """The values that every property clause is judged over. The first value is the plainest."""
    return {
        "adapter": LORA_RECIPES,
        "architecture": core_families(),
        "injection": tuple(Injection),
        "accumulation": (1, 2, 3),
        "sampling": ("random", "sequential", "group_by_length"),
        "schedule": ("linear", "cosine", "constant_with_warmup"),
        "warmup_steps": (0, 2),
        "weight_decay": (0.0, 0.1),
        "max_grad_norm": (1.0, 0.05, 100.0),
        "label_smoothing": (0.0, 0.1),
        "dropout": (0.0, 0.2),
        "batch_size": (2, 3),
        "epochs": (2.0, 1.5),
        "logging_steps": (1, 2),
        "save": ("steps", "epoch"),
        "save_steps": (2,),
        "seed": (7, 8),
    }


OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "sgd", "rmsprop", "adafactor", "lion_32bit")


def argument_axes() -> Axes:
    """Arguments of the Trainer that cross the contract: no clause may depend on any of them."""
    return {
        "optimizer": OPTIMIZERS,
        "schedule": ("linear", "polynomial", "inverse_sqrt", "warmup_stable_decay"),
        "architecture": core_families(),
        "injection": tuple(Injection),
        "accumulation": (1, 2),
        "iterable": ("", "sized"),
        "max_grad_norm": (1.0, 0.0),
        "neftune": (0.0, 5.0),
        "count_tokens": ("", "all", "non_padding"),
        "extra_column": (False, True),
        "remove_unused_columns": (True, False),
        "auto_batch_size": (False, True),
        "average_tokens": (True, False),
        "drop_last": (False, True),
        "gradient_checkpointing": ("", "non-reentrant"),
        "base_dtype": ("float32", "bfloat16"),
        "weight_decay": (0.0, 0.1),
        "epochs": (2.0, 1.5),
        "warmup_steps": (1,),
        "examples": (9,),
        "save": ("steps",),
    }


@cache
def pairwise(strength: int) -> tuple[Scenario, ...]:
    """Scenarios in which any ``strength`` axes take every combination of their values."""
    return crossed(strength, axes())


def crossed(strength: int, values: Axes, base: Scenario | None = None) -> tuple[Scenario, ...]:
    """``base`` with any ``strength`` of these fields taking every combination of their values.

    Strength 1 takes every value once; one of at least as many as there are fields with more than
    one value takes every combination of all.
    """
    named = {name: list(choices) for name, choices in values.items()}
    fixed = {name: choices[0] for name, choices in named.items() if len(choices) == 1}
    varied = {name: choices for name, choices in named.items() if len(choices) > 1}
    start = base or Scenario()
    return tuple(start.but(**fixed, **row) for row in _rows(strength, varied))


def _rows(strength: int, varied: Mapping[str, list[Any]]) -> Iterable[Mapping[str, Any]]:
    if strength >= len(varied):
        return [dict(zip(varied, row, strict=True)) for row in product(*varied.values())]
    fields = list(varied.items())
    if strength == 1:
        longest = max(map(len, varied.values()))
        return [
            {name: _turn(choices, row, number) for number, (name, choices) in enumerate(fields)}
            for row in range(longest)
        ]
    rows: Iterable[Mapping[str, Any]] = make(varied, strength=strength)
    return rows


def _turn(choices: list[Any], row: int, number: int) -> Any:
    """The value of the field of that number in a row: every value once, then in another order for
    each field, so that fields with as many values do not always show the same pairs.
    """
    return choices[(row + row // len(choices) * number) % len(choices)]
