"""The register of faults, filled by the modules beside this one, one a chapter."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

_HELPERS = ("registry", "seams", "quantized_seams", "selecting")
_registered: dict[str, "Fault"] = {}


@dataclass(frozen=True, slots=True)
class Fault:
    """One defect: the clause it breaks, the story of the mistake, and how to plant it.

    ``plant`` patches the imported libraries for the rest of the process's life. ``needs`` is a
    package, if one is named, without which there is nothing to patch and no case to catch it;
    ``cuda`` stands for a card.
    """

    name: str
    clause: str
    story: str
    plant: Callable[[], None]
    needs: str = ""


def fault(clause: str, needs: str = "") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function that plants a defect which ``clause`` must catch.

    Its name becomes the fault's, its docstring the story.
    """

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        name = plant.__name__.replace("_", "-")
        story = " ".join((plant.__doc__ or "").split())
        _registered[name] = Fault(name, clause, story, plant, needs)
        return plant

    return register


@cache
def faults() -> dict[str, Fault]:
    """All faults by name, in the order of their modules."""
    package = importlib.import_module("conformance.faults")
    for found in pkgutil.iter_modules(package.__path__):
        if found.name not in _HELPERS:
            importlib.import_module(f"conformance.faults.{found.name}")
    return dict(_registered)
