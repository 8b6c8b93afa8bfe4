"""The two marks of a conformance test: the clause it judges and the scenarios it meets."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from conformance.scenarios import (
    PROFILES,
    Injection,
    Profile,
    Scenario,
    argument_axes,
    crossed,
    evenly,
    pairwise,
)

Choose = Callable[[Profile], Iterable[Scenario]]


def clause(identifier: str) -> pytest.MarkDecorator:
    """The clause of the contract that a test judges."""
    return pytest.mark.conformance_clause(identifier)


generating = pytest.mark.conformance_generating
"""For a test that generates many scenarios without being decorated with `hypothesis.given`."""


def scenarios(choose: Choose | Iterable[Scenario]) -> pytest.MarkDecorator:
    """Run the test once for each scenario: given ones, or those chosen for the profile.

    The test takes a parameter called ``scenario``.
    """
    if not callable(choose):
        given = tuple(choose)
        return _choosing(lambda _: given)
    return _choosing(choose)


def listed(given: Iterable[Scenario]) -> pytest.MarkDecorator:
    """Run the test for these scenarios, or for some of them: see `Profile`."""
    found = tuple(given)
    return scenarios(lambda profile: evenly(found, profile.listed))


def _choosing(choose: Choose) -> pytest.MarkDecorator:
    # Passed as a keyword: a mark called with nothing but a function would decorate it.
    return pytest.mark.conformance_scenarios(choose=choose)


def sweep(where: Callable[[Scenario], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run the test for every scenario of the profile's sweep for which ``where`` holds."""
    return scenarios(
        lambda profile: [found for found in pairwise(profile.strength) if where(found)]
    )


def frugal_sweep() -> pytest.MarkDecorator:
    """`sweep` for a test that trains each of its scenarios once more: as broad as a `crossing`."""
    return scenarios(lambda profile: pairwise(profile.crossing))


def arguments(where: Callable[[Scenario], bool] = lambda _: True) -> pytest.MarkDecorator:
    """As `sweep`, over arguments of the Trainer that cross the contract; one fewer at a time."""
    return scenarios(
        lambda profile: [
            found
            for found in crossed(max(1, profile.strength - 1), argument_axes())
            if where(found)
        ]
    )


def crossing(base: Scenario | None = None, /, **values: Iterable[Any]) -> pytest.MarkDecorator:
    """Run the test for ``base`` with these fields taking every combination of their values.

    How many of the fields at a time is the profile's ``crossing``: see `crossed`.
    """
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(lambda profile: crossed(profile.crossing, fields, base))


def crossing_and(
    further: Iterable[Scenario], few: Iterable[Scenario], base: Scenario, /, **values: Iterable[Any]
) -> pytest.MarkDecorator:
    """`crossing`, and after it ``further`` scenarios: a ``few`` in profiles less than full."""
    every, some = tuple(further), tuple(few)
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(
        lambda profile: (
            *crossed(profile.crossing, fields, base),
            *(every if profile.strength > 2 else some),
        )
    )


def frugal_crossing(
    base: Scenario | None = None, /, **values: Iterable[Any]
) -> pytest.MarkDecorator:
    """`crossing` with one field fewer at a time, for trainings that cost several times as much."""
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(lambda profile: crossed(max(1, profile.crossing - 1), fields, base))


def crossing_in_full(base: Scenario, /, **values: Iterable[Any]) -> pytest.MarkDecorator:
    """`crossing` in the full profile, and ``base`` alone in the others."""
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(
        lambda profile: crossed(profile.crossing, fields, base) if profile.strength > 2 else [base]
    )


def crossing_only_in_full(base: Scenario, /, **values: Iterable[Any]) -> pytest.MarkDecorator:
    """`crossing` in the full profile, and nothing in the others."""
    fields = {name: tuple(choices) for name, choices in values.items()}
    return scenarios(
        lambda profile: crossed(profile.crossing, fields, base) if profile.strength > 2 else []
    )


def native_in_full(base: Scenario) -> pytest.MarkDecorator:
    """Run the test for ``base``, in the full profile with its adapter added natively as well."""
    both = (base, base.but(injection=Injection.NATIVE))
    return scenarios(lambda profile: both[: max(1, profile.strength - 1)])


def chosen(
    mark: Any, name: str, able: Callable[[Scenario], bool] = lambda _: True
) -> tuple[Scenario, ...]:
    """The scenarios a mark of `scenarios` chooses in the profile of that name.

    Those that the subject is not ``able`` to train come last, so that a thinned profile does not
    spend a test's few scenarios on them.
    """
    profile = PROFILES[name]
    found = tuple(mark.kwargs["choose"](profile))
    trained = profile.thinned(scenario for scenario in found if able(scenario))
    return (*trained, *profile.thinned(scenario for scenario in found if not able(scenario)))
