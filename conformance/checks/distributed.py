"""What several processes do is what one does, or what they do otherwise launched."""

from conformance import oracle
from conformance.judging import close, close_tensors, paired
from conformance.running.observation import Observation


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


def _loss(observation: Observation, number: int) -> float:
    """The mean over the ranks of the loss of a step."""
    losses = [seen.steps[number].loss for seen in observation.ranks or (observation,)]
    return sum(losses) / len(losses)
