"""The recipes of adapters: each a name, the arguments of its config, and what it trains.

A recipe is data about a family; `conformance.running.build` turns it into a config object.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .families import Family

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way of configuring an adapter.

    ``arguments`` maps a family to keyword arguments of the config, for LoRA over the plain ones;
    ``trains_base`` says which base parameters this recipe documents as trainable;
    ``name`` is the adapter's name; ``inactive`` are further adapters, loaded and not trained;
    ``stochastic`` recipes draw random numbers in their forward pass; ``config`` is the name of the
    config's class in peft; ``swept`` says whether the sweep meets it, if it is one of LoRA.
    """

    arguments: Callable[[Family], Arguments] = lambda _: {}
    trains_base: Callable[[Family, str], bool] = lambda _, __: False
    name: str = "default"
    inactive: tuple[str, ...] = ()
    stochastic: bool = False
    config: str = "LoraConfig"
    swept: bool = True

    @property
    def lora(self) -> bool:
        """Whether it is one of the ways of configuring LoRA."""
        return self.config == "LoraConfig"


def plain(family: Family) -> Arguments:
    """The arguments every recipe starts from: rank 4, alpha 8, the attention projections."""
    arguments: Arguments = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": list(family.attention),
        "fan_in_fan_out": family.fan_in_fan_out,
        "task_type": TASK_TYPES[family.task],
    }
    if family.saves_head:
        arguments["modules_to_save"] = [family.head]
    return arguments


TASK_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "causal-lm": "CAUSAL_LM",
        "sequence-classification": "SEQ_CLS",
        "seq2seq-lm": "SEQ_2_SEQ_LM",
    }
)


def _targeted_bias(family: Family, parameter: str) -> bool:
    owner, _, leaf = parameter.rpartition(".")
    return leaf == "bias" and owner.rpartition(".")[2] in family.attention


def _any_bias(_: Family, parameter: str) -> bool:
    return parameter.endswith("bias")


def _first_layer(family: Family) -> str:
    """A regular expression that matches the attention projections of layer 0 alone."""
    return rf".*\.0\..*\b({'|'.join(map(re.escape, family.attention))})$"


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
        "two-adapters": Recipe(inactive=("other",)),
        "rank-pattern": Recipe(
            lambda family: {
                "rank_pattern": {family.attention[-1]: 2},
                "alpha_pattern": {family.attention[-1]: 3},
            }
        ),
        "p-tuning": Recipe(
            lambda family: {
                "task_type": TASK_TYPES[family.task],
                "num_virtual_tokens": 4,
                "encoder_hidden_size": 8,
            },
            config="PromptEncoderConfig",
        ),
        "documented-qlora": Recipe(
            lambda _: {"r": 64, "lora_alpha": 16, "target_modules": None}, swept=False
        ),
        "token-indices": Recipe(
            lambda family: {"trainable_token_indices": {family.embedding: [3, 5, 8, 13, 21]}}
        ),
    }
)

LORA_RECIPES = tuple(name for name, r in RECIPES.items() if r.lora and r.swept)
"""The recipes that the sweep and generated scenarios choose from."""
