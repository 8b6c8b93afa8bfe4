"""Holding an observation against the hand-written loop, and naming the mistake when it differs.

Tolerances: both sides do the same float32 arithmetic in another order. A sum of n terms is off by
at most n units of rounding (u = 6e-8; Higham, Accuracy and Stability, section 3.1), so a mean over
a step's positions and vocabulary (n < 100) by 6e-6 in relation to the loss. Gradients pass
through two layers of sums of that length, forth and back: 1e-4. Adam divides gradients by their
own size, which hands such an error on to the weights undiminished, step after step: 5e-4.
"""

from collections.abc import Callable
from typing import Any

from conformance.judging import Violation
from conformance.running.observation import Observation
from conformance.running.optimizers import DIRECTIONS
from conformance.running.reference import Reference, mistakes
from conformance.scenarios import Scenario

LOSS, GRADIENT, ADAPTER = 6e-6, 1e-4, 5e-4
LOGGED_LOSS = 6e-5  # releases before 5.0 log losses rounded to four decimals


def follows(scenario: Scenario) -> bool:
    """Whether the hand-written loop can do the same training, in float32 and uncompiled."""
    exact = scenario.base_dtype == "float32" and not scenario.bf16
    ordered = scenario.sampling != "group_by_length" or bool(scenario.iterable)
    return not scenario.stochastic and ordered and exact and scenario.optimizer in DIRECTIONS


def judge(runs: Any, observation: Observation, check: Callable[[Reference], None]) -> None:
    """Require ``check`` of the reference training.

    When it is violated and holds for a known mistake in making the loss instead, the violation
    says which: that is what a known deviation is recognised by.
    """
    try:
        check(runs.reference(observation.scenario))
    except Violation as violation:
        for mistake in mistakes(observation.scenario):
            if _holds(check, runs.reference(observation.scenario, mistake)):
                got = f"{violation.got}; the loss is {mistake}"
                raise Violation(violation.what, got, violation.expected) from None
        raise


def _holds(check: Callable[[Reference], None], reference: Reference) -> bool:
    try:
        check(reference)
    except Violation:
        return False
    return True
