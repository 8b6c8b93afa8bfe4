"""What a training returns."""

from transformers.trainer_utils import TrainOutput

from conformance.checks.counting import operations
from conformance.judging import close, equal, require
from conformance.running import saved
from conformance.running.observation import Observation

DOCUMENTED_METRICS = {
    "train_runtime",
    "train_samples_per_second",
    "train_steps_per_second",
    "train_loss",
    "total_flos",
    "epoch",
}


def is_a_train_output(observation: Observation) -> None:
    """The result is a `TrainOutput` of exactly three fields of the documented types."""
    output = observation.output
    equal("is a TrainOutput", isinstance(output, TrainOutput) and isinstance(output, tuple), True)
    equal("its fields", output._fields, ("global_step", "training_loss", "metrics"))
    equal("its types", [type(field) for field in output], [int, float, dict])


def counts_its_steps(observation: Observation) -> None:
    """`global_step` is the number of optimizer steps that were taken."""
    equal("global_step", observation.output.global_step, len(observation.steps))
    equal("optimizer steps", len(observation.steps), observation.scenario.steps)


def reports_its_mean_loss(observation: Observation) -> None:
    """`training_loss` is the mean of the losses of the steps that were taken.

    Tolerance: sums of at most a hundred float32 losses, each off by half a unit in the last place
    (6e-8), so 6e-6 relative.
    """
    mean = sum(step.loss for step in observation.steps) / len(observation.steps)
    close("training_loss", observation.output.training_loss, mean, 6e-6)


def has_the_documented_metrics(observation: Observation) -> None:
    """All documented metrics are there."""
    missing = DOCUMENTED_METRICS - set(observation.output.metrics)
    equal("metrics that are missing", missing, set())


def counts_its_operations(observation: Observation) -> None:
    """`total_flos`, returned and in the checkpoints, is six a trained token and parameter outside
    embeddings, in all processes together.
    """
    counted = operations(observation)
    for seen in observation.ranks or (observation,):
        got, expected = seen.output.metrics["total_flos"], counted[max(counted)]
        ranks = observation.scenario.processes
        share = ranks > 1 and abs(got * ranks / expected - 1) < 0.05
        said = f"{got}; about what a rank's share of the parameters gives" if share else got
        require(got == expected, "total_flos", said, expected)
    for save in observation.saves:
        held = saved.trainer_state(save.folder)["total_flos"]
        equal(f"total_flos in {save.folder.name}", held, counted[save.step])
