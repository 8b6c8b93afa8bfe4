"""The two marks of a conformance test: the clause it judges and the scenarios it meets."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from conformance.scenarios import PROFILES, Profile, Scenario, pairwise

Choose = Callable[[Profile], Iterable[Scenario]]


def clause(identifier: str) -> pytest.MarkDecorator:
    """The clause of the contract that a test judges."""
    return pytest.mark.conformance_clause(identifier)


def scenarios(choose: Choose | Iterable[Scenario]) -> pytest.MarkDecorator:
    """Run the test once for each scenario: given ones, or those chosen for the profile.

    The test takes a parameter called ``scenario``.
    """
    if not callable(choose):
        given = tuple(choose)
        return pytest.mark.conformance_scenarios(lambda _: given)
    return pytest.mark.conformance_scenarios(choose)


def sweep(where: Callable[[Scenario], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run the test for every scenario of the profile's sweep for which ``where`` holds."""
    return scenarios(
        lambda profile: [found for found in pairwise(profile.strength) if where(found)]
    )


def chosen(mark: Any, profile: str) -> tuple[Scenario, ...]:
    """The scenarios a mark of `scenarios` chooses in a profile, without repetitions."""
    (choose,) = mark.args
    return tuple(dict.fromkeys(choose(PROFILES[profile])))
