"""What trials of a search are held to."""

from collections.abc import Mapping
from typing import Any

from conformance.judging import changed, empty, equal, identical, paired, require, same_bits
from conformance.running.searching import Training

from .resume import history, same_batches


def same_training(what: str, got: Training, expected: Training) -> None:
    """Both trainings are the same, from the first adapter to the last, and so are their metrics."""
    identical(f"{what}: the first adapter", got.start.adapter, expected.start.adapter)
    for one, other in paired(f"{what}: steps", got.steps, expected.steps):
        where = f"{what}: step {other.number}"
        same_batches(where, other, one)
        equal(f"{where}: rates", one.learning_rates, other.learning_rates)
        identical(f"{where}: gradients", one.clipped, other.clipped)
        identical(f"{where}: the adapter", one.after.adapter, other.after.adapter)
    scores = [history(training.evaluations) for training in (got, expected)]
    equal(f"{what}: evaluations", *scores)
    moves(got)


def moves(training: Training) -> None:
    """The training changed every LoRA B of its adapter."""
    start = training.start.adapter
    changed("the training", {n: t for n, t in start.items() if "lora_B" in n}, training.last)


def begins_fresh(training: Training, first: Training) -> None:
    """The training began with the weights the first one began with, and no optimizer state."""
    identical("the adapter that a trial begins with", training.start.adapter, first.start.adapter)
    identical("the base that a trial begins with", training.base, first.base)
    empty("optimizer state that a trial begins with", training.start.optimizer)
    equal("the schedule's step", training.start.scheduler["last_epoch"], 0)


def told(training: Training, values: Mapping[str, Any]) -> None:
    """The training arguments held these values when it began."""
    for name, value in values.items():
        equal(f"args.{name}", training.arguments[name], value)


def differ(one: Training, other: Training) -> None:
    """The two trainings ended with other weights, so that comparing them means something."""
    apart = [n for n, t in one.last.items() if not same_bits(t, other.last[n])]
    require(bool(apart), "trials with other values", "the same adapter", "another")
