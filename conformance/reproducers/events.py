"""What the scripts of chapter callbacks are told beside the scenario."""

from itertools import product
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .noting import NUMBER, noted
from .rule import NoScript, Rule

_LOGGING = {"epoch": {"logging_strategy": "epoch"}, "no": {"logging_strategy": "no"}} | {
    "first": {"logging_first_step": True}
}
_AT_THE_END = ("should_evaluate", "should_save")  # may come at the last step besides
_RESUMED = {"test_stops_over_a_resume": (3, 4), "test_each_gets_its_own_state": (4,)}


def order(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The events in every order that is documented, without what callbacks ask for."""
    if scenario.save == "best" and scenario.evaluate == "no":
        scenario = scenario.but(evaluate="steps")
    test, _, inside = case.id.partition("[")
    strategy = inside.rpartition("-")[2].rstrip("]") if test == "test_order_of_logging" else ""
    expected = _orders(scenario, [], strategy or "steps")
    return {"asked": [], "expected": expected, "changed": _LOGGING.get(strategy, {})}


def control(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The events in every order that is documented, with what callbacks ask for."""
    asked = noted(case, "asked", [(str, int, str, bool)])
    return {"asked": asked, "expected": _orders(scenario, asked, "steps"), "changed": {}}


def _orders(scenario: Scenario, asked: list[tuple[Any, ...]], logging: str) -> list[list[str]]:
    from conformance import compat
    from conformance.checks.events import Request, Timeline

    if scenario.save == "best":
        raise NoScript("no stand-alone script: which step is the best is known afterwards alone")
    known, found = compat.callback_events(), []
    for chosen in product((False, True), repeat=2):
        last = [name for name, taken in zip(_AT_THE_END, chosen, strict=True) if taken]
        requests = [Request(*request) for request in asked]
        events = Timeline(scenario, requests, logging, last).events
        shown = [
            f"{e.name} at step {e.step}, epoch {round(e.epoch or 0.0, 9)}"
            for e in events
            if e.name in known
        ]
        found += [shown] if shown not in found else []
    return found


def stopping(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The metrics of a training, and the early stoppings that watch them."""
    at = _RESUMED.get(case.id.partition("[")[0], ())
    every = scenario.steps_per_epoch if scenario.evaluate == "epoch" else scenario.eval_steps
    return {
        "scores": noted(case, "whole" if at else "scores", [NUMBER]),
        "stoppings": noted(case, "stoppings", [(int, NUMBER, bool)]),
        "interval": every,
        "resumes_at": at,
    }


def raising(case: Case, _: Scenario) -> dict[str, Any]:
    """At which event, and at which of its times, a callback raises."""
    from conformance import compat

    event, occurrence = noted(case, "raising", (str, int))
    if event not in compat.callback_events():
        raise NoScript("no stand-alone script: the case names no event of this release")
    return {"event": event, "occurrence": occurrence, "goes_on": False}


def over_a_resume(case: Case, _: Scenario) -> dict[str, Any]:
    """Whether the test resumes the training."""
    return {"over_a_resume": case.id.startswith("test_tensorboard_over_a_resume"), "scores": []}


def scored(_: Case, __: Scenario) -> dict[str, Any]:
    """The metrics of one's own that a test has logged."""
    return {"over_a_resume": False, "scores": [1e-30, 3.5e8, -1 / 3, 0.0, 1e30]}


def by_loss(_: Case, scenario: Scenario) -> dict[str, Any]:
    """Early stopping by the measured loss."""
    interval = scenario.eval_steps
    return {"scores": [], "stoppings": [(2, 0.05, False)], "interval": interval, "resumes_at": ()}


def resumed(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The same of a training that is resumed after it."""
    return {**raising(case, scenario), "goes_on": True}


_SEEN = {
    "step": "^(gradients|the adapter) (before|after) optimizer step",
    "gradients": "^gradients (as step|of a substep)",
    "logs": "^(logs|metrics)( handed over|:)",
    "objects": "^(arguments that were missing|models handed over|how many models)",
}
_STOPS = ("test_stops", "test_stops_at_evaluations", "test_stops_generated")
RULES = (
    Rule("events", "", ("callbacks.order",), says="^events?[ :]", tells=order),
    Rule("events", "", ("callbacks.control",), says="^events?[ :]", tells=control),
    *(Rule("seen", f"seen.{name}", ("callbacks.seen",), says=says) for name, says in _SEEN.items()),
    Rule("stopping", "", ("callbacks.early-stopping",), _STOPS, tells=stopping),
    Rule(
        "stopping",
        "",
        ("callbacks.early-stopping-resumed", "callbacks.several-resumed"),
        tuple(_RESUMED),
        "^the last step|^the resumed training",
        tells=stopping,
    ),
    Rule(
        "raising",
        "",
        ("callbacks.raising",),
        ("test_raising", "test_raising_generated"),
        tells=raising,
    ),
    Rule(
        "tensorboard",
        "",
        ("callbacks.tensorboard",),
        ("test_tensorboard", "test_tensorboard_over_a_resume", "test_tensorboard_generated"),
        tells=over_a_resume,
    ),
    Rule(
        "tensorboard", "", ("callbacks.tensorboard",), ("test_tensorboard_metrics",), tells=scored
    ),
    Rule("stopping", "", ("callbacks.early-stopping",), ("test_stops_by_loss",), tells=by_loss),
    Rule("added", "", ("callbacks.added",)),
)
