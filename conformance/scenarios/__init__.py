"""One training as plain data, and the ways of choosing many of them.

Nothing in this room imports torch, so that collecting and listing stay cheap.
"""

from .adapters import LORA_RECIPES, RECIPES, Recipe
from .families import Family, core_families, families, family
from .scenario import Injection, Scenario
from .schedules import SCHEDULE_ARGUMENTS, SCHEDULES
from .sweep import PROFILES, Profile, argument_axes, crossed, pairwise

__all__ = [
    "LORA_RECIPES",
    "PROFILES",
    "RECIPES",
    "SCHEDULES",
    "SCHEDULE_ARGUMENTS",
    "Family",
    "Injection",
    "Profile",
    "Recipe",
    "Scenario",
    "argument_axes",
    "core_families",
    "crossed",
    "families",
    "family",
    "pairwise",
]
