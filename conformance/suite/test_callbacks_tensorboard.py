"""Chapter callbacks: what is logged is in TensorBoard's event files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import compat
from conformance.checks.curves import shows_the_log, written
from conformance.checks.stopping import Scores
from conformance.judging import equal, require
from conformance.marks import clause, crossing
from conformance.scenarios import Injection, Scenario, core_families
from conformance.scenarios.strategies import trainings

BOTH = tuple(Injection)


@pytest.fixture(scope="module")
def reporting():
    """The arguments for reporting to TensorBoard, into the output directory."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
        yield compat.reporting_to_tensorboard()


@clause("callbacks.tensorboard")
@crossing(
    Scenario(epochs=2.0, logging_steps=2, evaluate="epoch"),
    architecture=core_families()[:3],
    injection=BOTH,
    evaluate=("epoch", "steps", "no"),
    accumulation=(1, 2),
)
def test_tensorboard(runs, scenario, reporting):
    """Every number logged is there, under its tag at its step, in float32, and nothing else."""
    observation = runs.again(scenario, extra_arguments=reporting)
    shows_the_log(observation.output_dir, observation.log_history)
    losses = written(observation.output_dir)["train/loss"]
    equal(
        "steps of train/loss", [step for step, _ in losses], [e["step"] for e in observation.logs]
    )


@clause("callbacks.tensorboard")
@crossing(Scenario(evaluate="steps"), injection=BOTH)
def test_tensorboard_metrics(runs, scenario, reporting):
    """The same for metrics of one's own, however large or small."""
    scores = [1e-30, 3.5e8, -1 / 3, 0.0, 1e30]
    options = {"compute_metrics": Scores(scores)}
    observation = runs.again(scenario, extra_arguments=reporting, trainer_options=options)
    shows_the_log(observation.output_dir, observation.log_history)
    require("eval/score" in written(observation.output_dir), "eval/score", "missing", "there")


@clause("callbacks.tensorboard")
@crossing(Scenario(save="steps", evaluate="steps"), injection=BOTH)
def test_tensorboard_over_a_resume(runs, scenario, folder, reporting):
    """A resumed training writes what it logs itself, at the steps of the whole training."""
    checkpoint = str(runs.train(scenario).saved(3).folder)
    resumed = runs.resume_from(scenario, checkpoint, folder, extra_arguments=reporting).trained()
    own = [entry for entry in resumed.log_history if entry["step"] > 3]
    shows_the_log(folder, own)
    equal("steps", [step for step, _ in written(folder)["train/loss"]], [4, 5])


@clause("callbacks.tensorboard")
@given(scenario=trainings(evaluate=st.sampled_from(("no", "steps", "epoch"))))
def test_tensorboard_generated(runs, tolerating, reporting, scenario):
    """The same for any training."""
    with tolerating(scenario):
        observation = runs.again(scenario, extra_arguments=reporting)
        shows_the_log(observation.output_dir, observation.log_history)
