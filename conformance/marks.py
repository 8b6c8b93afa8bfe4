"""The two marks of a conformance test: the clause it judges and the scenarios it meets."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from conformance.scenarios import PROFILES, Profile, Scenario, crossed, pairwise

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
        return _choosing(lambda _: given)
    return _choosing(choose)


def _choosing(choose: Choose) -> pytest.MarkDecorator:
    # Passed as a keyword: a mark called with nothing but a function would decorate it.
    return pytest.mark.conformance_scenarios(choose=choose)


def sweep(where: Callable[[Scenario], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run the test for every scenario of the profile's sweep for which ``where`` holds."""
    return scenarios(
        lambda profile: [found for found in pairwise(profile.strength) if where(found)]
    )


def crossing(base: Scenario | None = None, /, **values: Iterable[Any]) -> pytest.MarkDecorator:
    """Run the test for ``base`` with these fields taking every combination of their values.

    How many of the fields at a time is the profile's ``strength``: see `crossed`.
    """
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(lambda profile: crossed(profile.strength, fields, base))


def frugal_crossing(
    base: Scenario | None = None, /, **values: Iterable[Any]
) -> pytest.MarkDecorator:
    """`crossing` with one field fewer at a time, for trainings that cost several times as much."""
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(lambda profile: crossed(max(1, profile.strength - 1), fields, base))


def chosen(mark: Any, name: str) -> tuple[Scenario, ...]:
    """The scenarios a mark of `scenarios` chooses in the profile of that name."""
    profile = PROFILES[name]
    return profile.thinned(mark.kwargs["choose"](profile))
