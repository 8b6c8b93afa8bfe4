"""Chapter loop: learning rates that follow a metric."""

import pytest

from conformance.judging import equal, require
from conformance.marks import clause, native_in_full
from conformance.scenarios import Scenario

SCORED = {"preprocess_logits_for_metrics": lambda logits, labels: labels}
FOLLOWED = {
    "lr_scheduler_type": "reduce_lr_on_plateau",
    "lr_scheduler_kwargs": {"mode": "min", "factor": 0.5, "patience": 0},
    "metric_for_best_model": "score",
    "greater_is_better": False,
}


EARLIEST = 0.1  # the best score there is, of an adapter that has not been trained


@clause("loop.plateau")
@pytest.mark.parametrize("on_start", [False, True])
@native_in_full(Scenario(evaluate="steps"))
def test_plateau(runs, scenario, on_start):
    """The rate is halved after each evaluation whose metric is no better than the best before.

    An evaluation before training, `eval_on_start`, is none to be measured by.
    """
    named = _handed((*[EARLIEST] * on_start, 1.0, 0.5, 0.7, 0.4, 0.6))
    asked = {**FOLLOWED, **({"eval_on_start": True} if on_start else {})}
    observation = runs.again(scenario, trainer_options=named, extra_arguments=asked)
    rates = [step.learning_rates[0] for step in observation.steps]
    expected = [scenario.learning_rate * factor for factor in (1, 1, 1, 0.5, 0.5)]
    equal("rates", rates, expected)


DRIVEN = {
    "reduce_lr_on_plateau": {"mode": "min", "factor": 0.5, "patience": 1},
    "greedy": {
        "mode": "min",
        "factor": 0.5,
        "patience": 1,
        "smooth": True,
        "window_size": 3,
        "min_lr": 1e-4,
        "max_lr": 0.1,
    },
}


@clause("loop.plateau")
@pytest.mark.parametrize("schedule", DRIVEN)
@native_in_full(Scenario(evaluate="steps", save="steps", epochs=2.0))
def test_driven_resume(runs, scenario, folder, schedule):
    """Resumed, a rate that follows a metric goes on as it would have."""
    scores = [1.0, 0.9, 0.8, 1.2, 1.4, 1.6, 0.7, 0.6, 0.5, 0.9]
    told = {**FOLLOWED, "lr_scheduler_type": schedule, "lr_scheduler_kwargs": DRIVEN[schedule]}
    full = runs.again(scenario, trainer_options=_handed(scores), extra_arguments=told)
    expected = [step.learning_rates[0] for step in full.steps]
    require(len(set(expected)) > 1, "rates", expected, "several")
    for step in (3, 4, 6):
        options = {"trainer_options": _handed(scores[step:]), "extra_arguments": told}
        checkpoint = str(full.saved(step).folder)
        resumed = runs.resume_from(scenario, checkpoint, folder / str(step), **options).trained()
        got = [each.learning_rates[0] for each in resumed.steps]
        equal(f"rates after checkpoint-{step}", got, expected[step:])


def _handed(scores):
    left = iter(scores)
    return {**SCORED, "compute_metrics": lambda _: {"score": next(left)}}
