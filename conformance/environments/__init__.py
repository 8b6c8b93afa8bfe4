"""Stacks of library versions: isolated environments that hold them, and the suite run in each.

A *stack* is what a user asks for (``transformers==5.0.0``, ``latest``). `build` makes an
*environment* of it: a thin layer over the environment that runs this program, which is the *base*.
Whatever the stack does not move (torch above all) is the base's, and is not installed again.
`judge` runs this very suite in an environment and hands back its record.

- a stack and its environment: `stack`, `base`, `pip`, `resolving`, `building`, `environment`,
  `suite_run`
- one against another: `upgrade`
- many, kept between runs: `matrixfile`, `matrix`, `stack_folder`
- the release that brought a defect: `releases` and `release_range` (what there is to walk),
  `search` (halving the way), `trials` (one combination of versions), `bisecting` (one package),
  `pairs` (with its companions)

Nothing here prints or writes pages: that is done by `conformance.reports`.
"""

from .base import Base, base
from .building import build, cache_folder
from .environment import Environment
from .pip import Unresolvable
from .stack import LATEST, PRE, Stack
from .suite_run import Unjudged, judge

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
