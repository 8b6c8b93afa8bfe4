"""One training as plain data, and the ways of choosing many of them.

Nothing in this room imports torch, so that collecting and listing stay cheap.
"""

from .adapters import ALIKE, LORA_RECIPES, RECIPES
from .families import Family, core_families, families, family, kinds
from .methods import METHODS
from .recipe import Recipe
from .scenario import Injection, Scenario
from .schedules import SCHEDULE_ARGUMENTS, SCHEDULES
from .sweep import PROFILES, Profile, argument_axes, crossed, evenly, pairwise
from .tasks import TASKS, Task

__all__ = [
    "ALIKE",
    "LORA_RECIPES",
    "METHODS",
    "PROFILES",
    "RECIPES",
    "SCHEDULES",
    "SCHEDULE_ARGUMENTS",
    "TASKS",
    "Family",
    "Injection",
    "Profile",
    "Recipe",
    "Scenario",
    "Task",
    "argument_axes",
    "core_families",
    "crossed",
    "evenly",
    "families",
    "family",
    "kinds",
    "pairwise",
]
