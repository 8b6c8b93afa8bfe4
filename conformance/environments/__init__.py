"""Stacks of library versions: isolated environments that hold them, and the suite run in each.

A *stack* is what a user asks for (``transformers==5.0.0``, ``latest``). `build` makes an
*environment* of it: a thin layer over the environment that runs this program, which is the *base*.
Whatever the stack does not move (torch above all) is the base's, and is not installed again.
`judge` runs this very suite in an environment and hands back its record.
"""

from .base import Base, base
from .building import build, cache_folder
from .environment import Environment
from .judging import Unjudged, judge
from .pip import Unresolvable
from .stack import LATEST, PRE, Stack

__all__ = [
    "LATEST",
    "PRE",
    "Base",
    "Environment",
    "Stack",
    "Unjudged",
    "Unresolvable",
    "base",
    "build",
    "cache_folder",
    "judge",
]
