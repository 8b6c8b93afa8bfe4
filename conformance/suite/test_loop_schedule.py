"""Chapter loop: the learning rates."""

import pytest

from conformance.judging import close, paired
from conformance.marks import clause, crossing, native_in_full, scenarios, sweep
from conformance.running.schedules import learning_rate
from conformance.scenarios import SCHEDULES, Injection, Scenario

BOTH = tuple(Injection)
NAMED = [
    Scenario(schedule=name, warmup_steps=warmup, epochs=2.0, accumulation=acc, injection=how)
    for name in SCHEDULES
    for warmup, acc, how in ((0, 1, BOTH[0]), (3, 2, BOTH[1]))
    if not (name == "constant" and warmup)
]


@clause("loop.schedule")
@sweep()
def test_schedule(observation):
    """Every optimizer step uses the named schedule's rate. Tolerance: one rounding in float64."""
    _rates_are_the_schedules(observation)


@clause("loop.schedule")
@scenarios(NAMED)
def test_schedules(observation):
    """The same for each schedule, with its own arguments, with and without warm-up."""
    _rates_are_the_schedules(observation)


@clause("loop.schedule")
@crossing(Scenario(warmup_steps=3, max_steps=3), schedule=[n for n in SCHEDULES if n != "constant"])
def test_warms_to_the_end(observation):
    """The same where the warm-up takes all the steps there are."""
    _rates_are_the_schedules(observation)


ARGUMENTS = (
    ("cosine", {"num_cycles": 1.5}),
    ("inverse_sqrt", {"timescale": 7}),
    ("cosine_with_min_lr", {"min_lr": 0.002}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.3, "num_cycles": 1.5}),
    ("cosine_warmup_with_min_lr", {"min_lr": 0.002}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "warmup_lr_rate": 0.0}),
    ("warmup_stable_decay", {"num_decay_steps": 3, "warmup_type": "cosine"}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "warmup_type": "1-sqrt", "min_lr_ratio": 0.2}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "decay_type": "linear"}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "decay_type": "1-sqrt", "min_lr_ratio": 0.2}),
    ("warmup_stable_decay", {"num_decay_steps": 2, "num_stable_steps": 1}),
)


@clause("loop.schedule")
@pytest.mark.parametrize("number", range(len(ARGUMENTS)))
@native_in_full(Scenario(epochs=2.0, warmup_steps=4))
def test_schedules_arguments(runs, scenario, number):
    """The same for the schedules' other documented arguments, `lr_scheduler_kwargs`."""
    schedule, given = ARGUMENTS[number]
    told = {"lr_scheduler_type": schedule, "lr_scheduler_kwargs": given}
    observation = runs.again(scenario.but(schedule="constant_with_warmup"), extra_arguments=told)
    expected = scenario.but(schedule=schedule)
    for step in observation.steps:
        rate = learning_rate(expected, step.number - 1, given)
        for used in step.learning_rates:
            close(f"the rate of step {step.number} under {schedule}, {given}", used, rate, 1e-15)


def _rates_are_the_schedules(observation):
    scenario = observation.scenario
    for step in observation.steps:
        expected = learning_rate(scenario, step.number - 1)
        for rate in step.learning_rates:
            close(f"the rate of step {step.number}", rate, expected, 1e-15, "rate_distance")
    if scenario.warms_to_the_end:
        return  # a next step would be after the end of a schedule that has no such part
    last = observation.steps[-1].after.scheduler["_last_lr"]
    upcoming = learning_rate(scenario, len(observation.steps))
    close("the rate for a next step", last[0], upcoming, 1e-15)


@clause("loop.schedule")
@crossing(Scenario(epochs=2.0), injection=BOTH)
def test_logged_rate(observation):
    """The logged rate is the one that the step used. Tolerance: one rounding in float64."""
    for step, entry in paired("steps and logs", observation.steps, observation.logs):
        where = f"the rate logged at step {step.number}"
        close(where, entry["learning_rate"], step.learning_rates[0], 1e-15)
