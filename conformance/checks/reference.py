"""A training held against the hand-written loop. Tolerances are derived in `conformance.oracle`."""

from typing import Any

import torch

from conformance import oracle
from conformance.judging import close, close_tensors, norm, note, paired, same
from conformance.running.observation import Observation, Step, Tensors
from conformance.running.reference import Reference, ReferenceStep

NOISE = 1e-6  # gradients below this share of their step's norm are rounding


def losses_agree(runs: Any, observation: Observation) -> None:
    """What each step trained on, and what was logged of it, equals the reference's loss."""

    def check(expected: Reference) -> None:
        for got, wanted in paired("steps", observation.steps, expected.steps):
            close(f"the loss of step {got.number}", got.loss, wanted.loss, oracle.LOSS)
        if observation.scenario.logging_steps == 1:
            for entry, logged in paired("logs", observation.logs, expected.steps):
                where = f"the loss logged at step {entry['step']}"
                close(where, entry["loss"], logged.loss, oracle.LOGGED_LOSS, "logged_distance")

    oracle.judge(runs, observation, check)


def follows_the_reference(runs: Any, observation: Observation) -> None:
    """Data order, loss, gradients, rate and weights of every step are the reference's.

    Values whose gradient is zero but for rounding in every step (key biases, which the softmax
    cancels) are left out of the comparison of weights: Adam divides their noise by itself.
    """

    def check(expected: Reference) -> None:
        loud = _above_noise(expected)
        for got, wanted in paired("steps", observation.steps, expected.steps):
            _same_step(got, wanted, loud)

    oracle.judge(runs, observation, check)


def _same_step(got: Step, wanted: ReferenceStep, loud: Tensors) -> None:
    where = f"of step {got.number}"
    batches = [next(iter(micro.inputs.values())) for micro in got.micro_batches]
    same(f"the batches {where}", batches, list(wanted.batches))
    close(f"the loss {where}", got.loss, wanted.loss, oracle.LOSS)
    close_tensors(f"gradients {where}", got.gradients, wanted.gradients, oracle.GRADIENT)
    for rate in got.learning_rates:
        close(f"the rate {where}", rate, wanted.learning_rate, 1e-15, "rate_distance")
    adapter, weights = (
        {name: tensor * loud[name] for name, tensor in side.items() if name in loud}
        for side in (got.after.adapter, wanted.adapter)
    )
    close_tensors(f"the adapter {where}", adapter, weights, oracle.ADAPTER)


def _above_noise(expected: Reference) -> Tensors:
    """For each trained tensor, where its gradient was more than rounding in some step."""
    loud: dict[str, torch.Tensor] = {}
    for step in expected.steps:
        least = NOISE * norm(step.gradients)
        for name, gradient in step.gradients.items():
            above = gradient.abs() > least
            loud[name] = loud[name] | above if name in loud else above
    note(noise_only=sum(int((~mask).sum()) for mask in loud.values()))
    return loud
