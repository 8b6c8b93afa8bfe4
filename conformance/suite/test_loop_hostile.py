"""Chapter loop: gradients that are no numbers, and data with nothing, or little, to train on."""

import math

import pytest
import torch

from conformance import subjects
from conformance.checks.trying import ERROR, tried
from conformance.judging import empty, equal, identical, note, require
from conformance.marks import clause, crossing_in_full, crossing_only_in_full, scenarios
from conformance.redacting import redacted
from conformance.running.poisoned import poisoned
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
POISONED = 2  # the step whose gradient is no number
LOGGED = "a log that says so"


@clause("loop.not-finite-gradient")
@crossing_in_full(
    Scenario(), max_grad_norm=(1.0, 0.0), injection=BOTH, architecture=("llama", "bert")
)
def test_not_finite_gradient(runs, profile, scenario):
    """It is an error, or the logged norm says so, and clipping does what it does to any other."""
    for value in (math.nan, math.inf) if profile.strength > 2 else (math.nan,):
        with tried("gradient that is no number") as got:
            got(_told(runs, scenario, value))


def _told(runs, scenario, value):
    options = poisoned(scenario, POISONED, value, gradient=True)
    seen = runs.resume_from(scenario, None, runs.folder(), trainer_options=options)
    note(raised=seen.failure.type if seen.failure else "")
    if seen.failure is not None:
        equal("steps taken before the error", len(seen.steps), POISONED - 1)
        return ERROR
    step = seen.steps[POISONED - 1]
    bad = [name for name, t in step.gradients.items() if not t.isfinite().all()]
    require(bool(bad), "gradients that are no numbers", bad, "some")
    _logged(seen)
    identical("the clipped gradients", step.clipped, _clipped(scenario, step.gradients))
    identical("the base", seen.base_after, seen.base_before)
    equal("steps", len(seen.steps), scenario.steps)
    return LOGGED


def _logged(seen):
    """The norm logged at the step is no number, and of those before it each is one."""
    norms = [entry["grad_norm"] for entry in seen.logs[:POISONED]]
    finite = [math.isfinite(norm) for norm in norms]
    equal("whether the logged norms are finite", finite, [True] * (POISONED - 1) + [False])


def _clipped(scenario, gradients):
    """What clipping to a norm is: all times its maximum over the norm, where that is below 1."""
    if not scenario.max_grad_norm:
        return gradients
    total = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    factor = (scenario.max_grad_norm / (total + 1e-6)).clamp(max=1.0)
    return {name: gradient * factor for name, gradient in gradients.items()}


@clause("loop.step-count")
@crossing_in_full(
    Scenario(examples=1, epochs=3.0, batch_size=4),
    examples=(1, 3),
    accumulation=(1, 3),
    injection=BOTH,
    max_steps=(0, 4),
)
def test_fewer_examples_than_a_batch(observation):
    """Fewer examples than a batch takes are a batch: one step an epoch."""
    scenario = observation.scenario
    with tried("too few examples"):
        equal("steps", len(observation.steps), scenario.max_steps or 3)
        for step in observation.steps:
            sizes = [len(micro.inputs["input_ids"]) for micro in step.micro_batches]
            equal(f"micro-batches of step {step.number}", sizes, [scenario.examples])


@clause("loop.nothing-to-train-on")
@crossing_in_full(Scenario(), max_steps=(0, 3), injection=BOTH)
def test_empty_dataset(runs, trainer_class, scenario):
    """A dataset without examples is an error, and no step is taken."""
    _refused(runs, scenario, train_dataset=subjects.of(trainer_class).dataset([]))


@clause("loop.nothing-to-train-on")
@crossing_in_full(Scenario(examples=1, drop_last=True), injection=BOTH)
def test_no_whole_batch(runs, scenario):
    """So is one without a whole batch where others are dropped."""
    _refused(runs, scenario)


WHOLE = {"input_ids": [5, 6, 7, 8], "labels": [5, 6, 7, 8]}
LACKING = {
    "labels": [{"input_ids": [5, 6, 7, 8]}] * 4,
    "input_ids": [{"labels": [5, 6, 7, 8]}] * 4,
    "all-that-is-known": [{"weight": 1.0}] * 4,
    "labels-of-one": [WHOLE, WHOLE, WHOLE, {"input_ids": [5, 6, 7, 8]}],
}
IN_FULL = crossing_only_in_full(Scenario(sampling="sequential"))


@clause("loop.missing-columns")
@scenarios([Scenario(sampling="sequential")])
def test_no_labels(runs, trainer_class, scenario):
    """Examples without labels are an error that says so, and no step is taken."""
    _without(runs, trainer_class, scenario, LACKING["labels"], says="loss")


@clause("loop.missing-columns")
@pytest.mark.parametrize("lacking", ["input_ids", "all-that-is-known", "labels-of-one"])
@IN_FULL
def test_missing_columns(runs, trainer_class, scenario, lacking):
    """Examples that lack a column the model needs are an error before they are trained on."""
    _without(runs, trainer_class, scenario, LACKING[lacking])


@clause("loop.missing-columns")
@IN_FULL
def test_label_beside_labels(runs, trainer_class, scenario):
    """A column `label` beside `labels` is an error, or trains as if it were not there."""
    rows = [{**WHOLE, "label": 1}] * 4
    with tried("column twice") as got:
        both = _trained(runs, trainer_class, scenario, rows)
        if both.failure is not None:
            equal("steps taken before the error", len(both.steps), 0)
            got(ERROR)
            return
        plain = _trained(runs, trainer_class, scenario, [WHOLE] * 4).trained()
        identical("the adapter", both.adapters_after, plain.adapters_after)


def _without(runs, trainer_class, scenario, rows, says=""):
    with tried("missing column") as got:
        seen = _trained(runs, trainer_class, scenario, rows)
        failure = seen.failure
        require(failure is not None, "a column is missing", "no error", "an error")
        note(raised=failure.type)
        require(says in failure.message, "the message", str(failure), f"one with {says!r}")
        whole = sum(row.keys() >= WHOLE.keys() for row in rows) // scenario.batch_size
        require(len(seen.steps) <= whole, "steps taken before the error", len(seen.steps), whole)
        got(ERROR)


def _trained(runs, trainer_class, scenario, rows):
    """The rows trained on as the Trainer itself makes batches of them."""
    from transformers import default_data_collator

    handed = {
        "train_dataset": subjects.of(trainer_class).dataset(rows),
        "data_collator": default_data_collator,
    }
    return runs.resume_from(scenario, None, runs.folder(), trainer_options=handed)


def _refused(runs, scenario, **handed):
    with tried("too few examples") as got:
        seen = runs.resume_from(scenario, None, runs.folder(), trainer_options=handed)
        require(seen.failure is not None, "nothing to train on", "no error", "an error")
        note(raised=seen.failure.type, message=redacted(seen.failure.message)[:100])
        empty("steps taken", seen.steps)
        identical("the base", seen.base_after or seen.base_before, seen.base_before)
        got(ERROR)
