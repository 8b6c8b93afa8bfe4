"""Chapter output: the `TrainOutput` that a training returns."""

import math

from conformance import oracle
from conformance.checks.counting import examples
from conformance.checks.logs import speeds_are
from conformance.checks.output import (
    counts_its_operations,
    counts_its_steps,
    has_the_documented_metrics,
    is_a_train_output,
    reports_its_mean_loss,
)
from conformance.judging import close, equal, require
from conformance.marks import clause, scenarios, sweep
from conformance.scenarios import Injection, Scenario

RESUMED = [
    Scenario(injection=how, save="steps", accumulation=acc, epochs=2.0)
    for how in Injection
    for acc in (1, 3)
]
LENGTHS = [
    Scenario(max_steps=3),
    Scenario(max_steps=12, accumulation=2),
    Scenario(epochs=0.5, accumulation=2),
    Scenario(epochs=2.5, accumulation=3, injection="add_adapter"),
    Scenario(examples=7, drop_last=True, epochs=2.0),
]


@clause("output.named-tuple")
@sweep()
def test_named_tuple(observation):
    """The result is a `TrainOutput` of exactly three fields of the documented types."""
    is_a_train_output(observation)


@clause("output.global-step")
@sweep()
def test_global_step(observation):
    """`global_step` is the number of optimizer steps that were taken."""
    counts_its_steps(observation)


@clause("output.global-step")
@scenarios(RESUMED)
def test_global_step_over_a_resume(runs, scenario):
    """After a resume `global_step` counts the steps before it as well."""
    resumed = runs.resume(scenario, 2)
    equal("steps of this call", len(resumed.steps), scenario.steps - 2)
    equal("global_step", resumed.output.global_step, scenario.steps)


@clause("output.training-loss")
@sweep()
def test_training_loss(observation):
    """`training_loss` is the mean of the losses of the steps that were taken.

    Tolerance: sums of at most a hundred float32 losses, each off by half a unit in the last place
    (6e-8), so 6e-6 relative.
    """
    reports_its_mean_loss(observation)


@clause("output.training-loss")
@sweep(oracle.follows)
def test_training_loss_of_the_reference(runs, observation):
    """`training_loss` equals the hand-written loop's mean step loss."""
    got = observation.output.training_loss
    oracle.judge(
        runs,
        observation,
        lambda expected: close("training_loss", got, expected.training_loss, oracle.LOSS),
    )


@clause("output.training-loss")
@scenarios(RESUMED)
def test_training_loss_of_this_call(runs, scenario):
    """After a resume `training_loss` is the mean over the steps of this call alone."""
    resumed = runs.resume(scenario, 2)
    require(bool(resumed.steps), "steps of this call", "none", "some")
    mean = sum(step.loss for step in resumed.steps) / len(resumed.steps)
    close("training_loss", resumed.output.training_loss, mean, 6e-6)


@clause("output.metrics-keys")
@sweep()
def test_metrics_keys(observation):
    """All documented metrics are there."""
    has_the_documented_metrics(observation)


@clause("output.metrics-keys")
@scenarios([Scenario(progress_bar=False)])
def test_metrics_keys_without_progress_bar(observation):
    """The same where the progress bar is switched off and logs are printed instead."""
    has_the_documented_metrics(observation)


@clause("output.metrics-values")
@sweep()
def test_metrics_values(observation):
    """The metrics are finite, the loss is the output's, the runtime is within the call's.

    Tolerance: the runtime is rounded to 4 decimals; both clocks tick alike within a thousandth.
    """
    metrics = observation.output.metrics
    infinite = {name for name, value in metrics.items() if not math.isfinite(value)}
    equal("metrics that are not finite", infinite, set())
    equal("train_loss", metrics["train_loss"], observation.output.training_loss)
    took = observation.seconds["train"]
    within = 0 < metrics["train_runtime"] <= took * 1.001 + 1e-4
    require(within, "train_runtime", metrics["train_runtime"], f"at most the call's {took}")


@clause("output.metrics-values")
@scenarios([Scenario(), *LENGTHS[:2], LENGTHS[4]])
def test_speeds(observation):
    """The speeds are what was trained in this call over the runtime."""
    _speeds_are_of_this_call(observation)


@clause("output.metrics-values")
@scenarios(RESUMED)
def test_speeds_over_a_resume(runs, scenario):
    """After a resume they are what was trained since."""
    _speeds_are_of_this_call(runs.resume(scenario, 2))


def _speeds_are_of_this_call(observation):
    speeds_are(observation.output.metrics, "train", examples(observation), len(observation.steps))


@clause("output.total-flos")
@sweep()
def test_total_flos(observation):
    """Six operations a trained token and parameter outside embeddings, at checkpoints as well."""
    counts_its_operations(observation)


@clause("output.epoch")
@sweep()
def test_epoch(observation):
    """`metrics["epoch"]` is the number of passes over the data, as a fraction."""
    _epoch_is_the_fraction(observation)


@clause("output.epoch")
@scenarios(LENGTHS)
def test_epoch_of_lengths(observation):
    """The same when training ends inside an epoch."""
    _epoch_is_the_fraction(observation)


def _epoch_is_the_fraction(observation):
    trained = sum(len(step.micro_batches) for step in observation.steps)
    expected = trained / observation.scenario.batches_per_epoch
    close('metrics["epoch"]', observation.output.metrics["epoch"], expected, 1e-9)
