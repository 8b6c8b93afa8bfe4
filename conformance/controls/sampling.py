"""Which cases judge the clauses that a fault is not about, so that the matrix stays cheap."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from conformance.plugin import clause_of, scenario_of

if TYPE_CHECKING:
    import pytest

TESTS = 1  # of each clause, at most; one case of each


class Place(NamedTuple):
    """Where an item stands: what it judges, by which test, on which scenario."""

    clause: str
    test: str
    scenario: str


def sample(items: "Iterable[pytest.Item]", tests: int = TESTS) -> "list[pytest.Item]":
    """For each clause one item of each of ``tests`` tests, in the order given; see `cover`."""
    found = {item: _place(item) for item in items}
    left = cover(found.values(), tests)
    chosen = []
    for item, place in found.items():
        if place in left:
            left.remove(place)
            chosen.append(item)
    return chosen


def cover(places: Iterable[Place], tests: int) -> set[Place]:
    """Of these places ``tests`` different tests a clause, with few different scenarios.

    Greedy: the scenario that serves most of what is left comes first; of equals, the one named
    first. (The least number is a set cover, which nobody finds fast.)
    """
    left = list(dict.fromkeys(places))
    chosen: set[Place] = set()
    while left:
        scenario, _ = Counter(place.scenario for place in left).most_common(1)[0]
        for place in left:
            if place.scenario == scenario and _tests(chosen, place.clause) < tests:
                chosen.add(place)
        left = [
            place
            for place in left
            if place.scenario != scenario
            and _tests(chosen, place.clause) < tests
            and (place.clause, place.test) not in {each[:2] for each in chosen}
        ]
    return chosen


def _tests(chosen: set[Place], clause: str) -> int:
    return len({place.test for place in chosen if place.clause == clause})


def _place(item: "pytest.Item") -> Place:
    scenario = scenario_of(item)
    test = item.nodeid.partition("[")[0]
    return Place(clause_of(item) or "", test, item.nodeid if scenario is None else scenario.id)
