"""Chapter distributed: what arguments of a training mean where several processes share it."""

import pytest

from conformance.checks.distributed import steps_alike
from conformance.marks import clause, crossing_in_full
from conformance.scenarios import Injection, Scenario

AXES = {"launch": ("ddp", "fsdp2", "fsdp1"), "injection": tuple(Injection)}
SHORT = Scenario(launch="ddp", examples=12, max_steps=2, optimizer="sgd", learning_rate=0.1)
# Of which every rank has as many labels, so that the mean of means is the mean of all.
EVEN = SHORT.but(varied_lengths=False)


@clause("distributed.equals-single")
@pytest.mark.parametrize("averaged", [True, False])
@crossing_in_full(EVEN, accumulation=(1, 3), **AXES)
def test_tokens_averaged_or_not(runs, scenario, averaged):
    """Whether the count of labels is that of all processes or each one's own, it is a mean: where
    examples are of one length the steps are those of one process.
    """
    told = {"average_tokens_across_devices": averaged}
    steps_alike(runs.again(scenario, extra_arguments=told), runs.train(scenario.alone))


@clause("distributed.equals-single")
@crossing_in_full(EVEN.but(label_smoothing=0.1), accumulation=(1, 3), **AXES)
def test_smoothing(runs, scenario):
    """The smoothed loss is that of one process, though a wrapper is around the model."""
    steps_alike(runs.train(scenario), runs.train(scenario.alone))
