"""What the log says of a training, held against the steps that were taken."""

from collections.abc import Mapping
from typing import Any

from conformance import oracle
from conformance.judging import close, equal, require, same
from conformance.running.data import EVALUATION_BATCH, EVALUATION_EXAMPLES
from conformance.running.observation import Observation


def losses_are_means(observation: Observation) -> None:
    """Each logged loss is the mean of the step losses since the one before.

    Tolerance: that of `oracle.LOGGED_LOSS`.
    """
    before = 0
    for entry in observation.logs:
        window = observation.steps[before : entry["step"]]
        mean = sum(step.loss for step in window) / (entry["step"] - before)
        close(f"the loss logged at step {entry['step']}", entry["loss"], mean, oracle.LOGGED_LOSS)
        before = entry["step"]


def entries_are_dated(observation: Observation) -> None:
    """Each entry carries its step and the fraction of the epoch that the step ended at.

    Tolerance: one division of two small integers.
    """
    require(bool(observation.log_history), "log entries", 0, "some")
    trained, ends = 0, {0: 0.0}
    for step in observation.steps:
        trained += len(step.micro_batches)
        ends[step.number] = trained / observation.scenario.batches_per_epoch
    for entry in observation.log_history:
        close(
            f"the epoch logged at step {entry['step']}", entry["epoch"], ends[entry["step"]], 1e-9
        )
    steps = [entry["step"] for entry in observation.log_history]
    equal("steps of the entries", steps, sorted(steps))


def ends_with_the_metrics(observation: Observation) -> None:
    """The last entry is what `train` returns."""
    last = dict(observation.log_history[-1])
    equal("the last entry's step", last.pop("step"), observation.output.global_step)
    same("the last entry", last, observation.output.metrics)


def speeds_are(
    metrics: Mapping[str, Any], prefix: str, samples: int, steps: int | None = None
) -> None:
    """The speeds under ``prefix``, times the runtime, give these numbers.

    Tolerance: the runtime is rounded to 4 decimals and speeds to 3, so a speed is off by at most
    its own value times 0.00005 s over the runtime, and 0.0005.
    """
    runtime = metrics[f"{prefix}_runtime"]
    counts = {"samples": samples, **({} if steps is None else {"steps": steps})}
    for name, count in counts.items():
        speed, got = count / runtime, metrics[f"{prefix}_{name}_per_second"]
        limit = speed * 1e-4 / runtime + 1e-3
        require(abs(got - speed) <= limit, f"{name} per second", got, speed)


def evaluations_are_timed(observation: Observation) -> None:
    """Each evaluation's speeds are those of the evaluation examples and batches."""
    require(bool(observation.evaluations), "evaluations", 0, "some")
    for entry in observation.evaluations:
        batches = -(-EVALUATION_EXAMPLES // EVALUATION_BATCH)
        speeds_are(entry, "eval", EVALUATION_EXAMPLES, batches)
