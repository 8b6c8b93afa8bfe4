"""What several processes do is what one does, or what they do otherwise launched."""

from typing import Any

from conformance import oracle
from conformance.judging import Violation, close, close_tensors, paired
from conformance.running.observation import Observation
from conformance.running.reference import Reference
from conformance.scenarios import Scenario


def steps_alike(several: Observation, other: Observation, adapter: bool = True) -> None:
    """Both trainings take the same steps, of which one may add up in another order.

    Tolerances of `conformance.oracle`. Each rank's loss is scaled so that the mean over the ranks
    is that of the whole batch.
    """
    for number, (got, expected) in enumerate(paired("steps", several.steps, other.steps)):
        where = f"of step {number + 1}"
        close(f"the mean loss {where}", _loss(several, number), _loss(other, number), oracle.LOSS)
        close_tensors(f"gradients {where}", got.gradients, expected.gradients, oracle.GRADIENT)
        if adapter:
            after = got.after.adapter, expected.after.adapter
            close_tensors(f"the adapter {where}", *after, oracle.ADAPTER)


def losses_alike(several: Observation, by_hand: Reference) -> None:
    """Each step's mean loss over the ranks is that of the loop written by hand.

    Tolerance of `conformance.oracle`.
    """
    for number, step in enumerate(by_hand.steps):
        what = f"the mean loss of step {number + 1}"
        close(what, _loss(several, number), step.loss, oracle.LOSS)


def keeps_its_optimizer(runs: Any, scenario: Scenario) -> None:
    """`steps_alike` in several processes and in one.

    Where it is not so, and would be had Adam been asked for, the violation says that: it is what a
    known deviation is recognised by.
    """
    several = runs.train(scenario)
    try:
        steps_alike(several, runs.train(scenario.alone))
    except Violation as violation:
        try:
            steps_alike(several, runs.train(scenario.alone.but(optimizer="adamw_torch")))
        except Violation:
            raise violation from None
        got = f"{violation.got}; the steps are Adam's"
        raise Violation(violation.what, got, violation.expected) from None


def _loss(observation: Observation, number: int) -> float:
    """The mean over the ranks of the loss of a step."""
    losses = [seen.steps[number].loss for seen in observation.ranks or (observation,)]
    return sum(losses) / len(losses)
