"""The recipes of adapters: the ways of configuring LoRA, and every other method's."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from .families import Family
from .methods import METHODS
from .recipe import Arguments, Recipe


def plain(family: Family) -> Arguments:
    """The arguments every recipe starts from: rank 4, alpha 8, the attention projections."""
    arguments: Arguments = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": list(family.attention),
        "fan_in_fan_out": family.fan_in_fan_out,
    }
    if family.about_task.task_type:
        arguments["task_type"] = family.about_task.task_type
    if family.saves_head:
        arguments["modules_to_save"] = [family.head]
    return arguments


def _targeted_bias(family: Family, parameter: str) -> bool:
    owner, _, leaf = parameter.rpartition(".")
    return leaf == "bias" and owner.rpartition(".")[2] in family.attention


def _any_bias(_: Family, parameter: str) -> bool:
    return parameter.endswith("bias")


def _first_layer(family: Family) -> str:
    """A regular expression that matches the attention projections of layer 0 alone."""
    return rf".*\.0\..*\b({'|'.join(map(re.escape, family.attention))})$"


ALIKE = "default_2"  # a second adapter's name, which begins with the whole name of the first

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "lora": Recipe(),
        "dora": Recipe(lambda _: {"use_dora": True}),
        "rslora": Recipe(lambda _: {"use_rslora": True}),
        "lora-dropout": Recipe(lambda _: {"lora_dropout": 0.25}, stochastic=True),
        "bias-lora-only": Recipe(lambda _: {"bias": "lora_only"}, trains_base=_targeted_bias),
        "bias-all": Recipe(lambda _: {"bias": "all"}, trains_base=_any_bias),
        "modules-to-save": Recipe(lambda family: {"modules_to_save": [family.head]}),
        "default-targets": Recipe(lambda _: {"target_modules": None}),
        "regex-targets": Recipe(lambda family: {"target_modules": _first_layer(family)}),
        "all-linear": Recipe(lambda _: {"target_modules": "all-linear"}),
        "named": Recipe(name="chosen"),
        "two-adapters": Recipe(inactive=(ALIKE,)),
        "second-of-two": Recipe(name="second", inactive=("default",), comes_last=True, swept=False),
        "rank-pattern": Recipe(
            lambda family: {
                "rank_pattern": {family.attention[-1]: 2},
                "alpha_pattern": {family.attention[-1]: 3},
            }
        ),
        "tied-embedding": Recipe(
            lambda family: {"modules_to_save": [family.embedding], "ensure_weight_tying": True},
            swept=False,
        ),
        "saved-embedding": Recipe(
            lambda family: {"modules_to_save": [family.embedding]}, swept=False
        ),
        "documented-qlora": Recipe(
            lambda _: {"r": 64, "lora_alpha": 16, "target_modules": None}, swept=False
        ),
        "qlora-with-targets": Recipe(lambda _: {"r": 64, "lora_alpha": 16}, swept=False),
        "token-indices": Recipe(
            lambda family: {"trainable_token_indices": {family.embedding: [3, 5, 8, 13, 21]}}
        ),
        **METHODS,
    }
)

LORA_RECIPES = tuple(n for n, recipe in RECIPES.items() if recipe.lora and recipe.swept)
"""The recipes that the sweep and generated scenarios choose from."""
