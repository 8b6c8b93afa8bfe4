"""Which cases judge the clauses that a fault is not about, so that the matrix stays cheap.

A training costs far more than looking at it: a fault is judged on the trainings that its own clause
has had anyway, and on a few more, each time the same, that most clauses look at.
"""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from conformance.plugin import clause_of, scenario_of

if TYPE_CHECKING:
    import pytest

TRAININGS = 5  # beside those of the fault's own clause


class Place(NamedTuple):
    """What an item judges, and on which scenario; that is empty for one that meets none."""

    clause: str
    scenario: str


def looking(items: "Iterable[pytest.Item]") -> "dict[pytest.Item, Place]":
    """The items that train nothing themselves: they look at one training, or at no scenario."""
    found = {}
    for item in items:
        asked = _asked_for(item)
        scenario = scenario_of(item)
        if asked <= {"observation"} and (asked or scenario is None):
            found[item] = Place(clause_of(item) or "", "" if scenario is None else scenario.id)
    return found


def cover(places: Iterable[Place], most: int = TRAININGS) -> list[str]:
    """Up to ``most`` scenarios on which many clauses have a say.

    Greedy: each adds as many new clauses as can be, the first named of equals. (The best choice is
    a maximum coverage, which nobody finds fast.)
    """
    clauses: dict[str, set[str]] = {}
    for place in places:
        clauses.setdefault(place.scenario, set()).add(place.clause)
    chosen: list[str] = []
    covered: set[str] = set()
    while len(chosen) < most:
        best = max(clauses, key=lambda name: len(clauses[name] - covered), default="")
        if not clauses.get(best, set()) - covered:
            break
        chosen.append(best)
        covered |= clauses[best]
    return chosen


def common(found: "dict[pytest.Item, Place]") -> list[str]:
    """What `cover` chooses of the trainings of one process; others take too long for all faults."""
    single = (place for item, place in found.items() if _is_single(item))
    return ["", *cover(single)]


def sample(
    found: "dict[pytest.Item, Place]", scenarios: Collection[str], without: Collection[str]
) -> "list[pytest.Item]":
    """The items on these scenarios, by scenario, that judge no clause of ``without``."""
    chosen = [
        item
        for item, place in found.items()
        if place.scenario in scenarios and place.clause not in without
    ]
    return sorted(chosen, key=lambda item: found[item].scenario)


def _is_single(item: "pytest.Item") -> bool:
    scenario = scenario_of(item)
    return scenario is not None and not scenario.launch


def _asked_for(item: "pytest.Item") -> set[str]:
    """The fixtures that a test asks for itself, without the values it is given."""
    named = getattr(item, "_fixtureinfo", None)
    given = getattr(getattr(item, "callspec", None), "params", {})
    return set(named.argnames if named else ()) - set(given)
