"""What shows scripts at work."""

from collections.abc import Callable
from typing import Any

from conformance.records import Case, Verdict
from conformance.reproducers.trying import Tried
from conformance.scenarios import Scenario

Show = Callable[[dict[str, Any]], Tried]
Told = tuple[str, str, Scenario, str]
"""Of a case: its clause, its test (with what stands last in its brackets), scenario and message."""


def case_of(told: Told, noted: dict[str, Any] | None = None) -> Case:
    """A failed case, with what its test noted."""
    clause, test, scenario, message = told
    name, _, last = test.partition("-")
    inside = f"{scenario.id}-{last}" if last else scenario.id
    changed, fail = scenario.changed(), Verdict.FAIL
    return Case(f"{name}[{inside}]", clause, changed, fail, noted or {}, message=message)


def seen_when_planted_alone(
    show: Show, fault: str, told: Told, noted: dict[str, Any] | None = None
) -> None:
    """The case's script shows the fault where it is planted, and nothing where it is not."""
    job = {"case": case_of(told, noted).to_json()}
    faulty, sound = (show({**job, "fault": planted}) for planted in (fault, ""))
    assert str(faulty) == "reproduced in a fresh process", faulty.said
    assert str(sound) == "did not reproduce in a fresh process", sound.said
