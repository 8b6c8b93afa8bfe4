"""A resumed training is the rest of the uninterrupted one."""

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.judging import changed, equal, identical, note_count, paired, require, same
from conformance.running.observation import Observation, Step
from conformance.scenarios import Profile

TIMED = ("runtime", "per_second")


def continues(full: Observation, resumed: Observation) -> None:
    """Step by step and at its end, a resumed training is the rest of the uninterrupted one."""
    began = resumed.first.number
    rest = full.steps[began - 1 :]
    taken = [step.number for step in resumed.steps]
    equal("steps taken after the resume", taken, [step.number for step in rest])
    for expected, got in zip(rest, resumed.steps, strict=True):
        where = f"resumed at {began - 1}, step {expected.number}"
        same_batches(where, expected, got)
        equal(f"{where}: learning rates", got.learning_rates, expected.learning_rates)
        equal(f"{where}: losses", _losses(got), _losses(expected))
        identical(f"{where}: gradients", got.clipped, expected.clipped)
        identical(f"{where}: the adapter", got.after.adapter, expected.after.adapter)
    _ends_alike(full, resumed)


def same_batches(where: str, expected: Step, got: Step) -> None:
    """Both steps were taken on the same micro-batches."""
    for one, other in paired(f"{where}: micro-batches", expected.micro_batches, got.micro_batches):
        identical(f"{where}: the batch", other.inputs, one.inputs)


def history(entries: Iterable[Mapping[str, Any]], torn: int = 0) -> list[dict[str, Any]]:
    """Log entries without what measures time and without the loss at step ``torn``, the end of an
    interval that a checkpoint fell into (which has a test of its own).
    """
    return [
        {
            name: value
            for name, value in entry.items()
            if not any(mark in name for mark in TIMED)
            and not (name == "loss" and entry["step"] == torn)
        }
        for entry in entries
        if "train_runtime" not in entry
    ]


def same_history(got: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Require the same log entries; says every key that differs, so that none hides another."""
    pairs = paired("log history: entries", got, expected)
    apart = {
        name: f"{one.get(name)} instead of {other.get(name)}"
        for one, other in reversed(pairs)
        for name in {**one, **other}
        if repr(one.get(name)) != repr(other.get(name))  # the same for NaN, and exact
    }
    shown = "; ".join(f"{name} first {apart[name]}" for name in sorted(apart))
    require(not apart, f"log history: {', '.join(sorted(apart))}", shown, "the same values")


def points(full: Observation, profile: Profile) -> list[int]:
    """Steps to resume after: all, or of one inside an epoch and the last of the first epoch as many
    as the profile says, the one or the other first by the seed, which the sweep pairs with all.
    """
    steps = [save.step for save in full.saves if save.step < len(full.steps)]
    if not profile.resume_points:
        return steps
    edge = full.scenario.steps_per_epoch
    inside = [step for step in steps if step % edge] or steps
    require(bool(inside), "checkpoints with steps after them", "none", "some")
    on_edge = [step for step in steps if step % edge == 0]
    found = [inside[len(inside) // 2], *on_edge[:1]]
    return (found if full.scenario.seed % 2 else found[::-1])[: profile.resume_points]


def _ends_alike(full: Observation, resumed: Observation) -> None:
    last, other = full.last_state, resumed.last_state
    identical("the adapter at the end", other.adapter, last.adapter)
    identical("the adapter left in memory", resumed.adapters_after, full.adapters_after)
    same("the optimizer at the end", other.optimizer, last.optimizer)
    same("the scheduler at the end", other.scheduler, last.scheduler)
    equal("global_step", resumed.output.global_step, full.output.global_step)
    for name in ("epoch", "total_flos"):
        equal(name, resumed.output.metrics[name], full.output.metrics[name])
    interval, first = full.scenario.logging_steps, resumed.first.number
    torn = first + (-first % interval) if (first - 1) % interval else 0
    same_history(history(resumed.log_history, torn), history(full.log_history, torn))
    start = resumed.first_state.adapter
    driven = {n for step in resumed.steps for n, g in step.clipped.items() if g.any()}
    moving = [n for n in start if "lora_B" in n] or sorted(driven)
    changed("training after the resume", {n: start[n] for n in moving}, other.adapter)
    note_count("resumes")


def _losses(step: Step) -> list[float]:
    return [micro.loss for micro in step.micro_batches]
