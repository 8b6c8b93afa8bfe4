"""Chapter distributed: what arguments of a training mean where several processes share it."""

from conformance import oracle
from conformance.checks.distributed import losses_alike, steps_alike
from conformance.marks import clause, crossing_in_full
from conformance.scenarios import Injection, Scenario

AXES = {"launch": ("ddp", "fsdp2", "fsdp1"), "injection": tuple(Injection)}
SHORT = Scenario(launch="ddp", examples=12, max_steps=2, optimizer="sgd", learning_rate=0.1)
# Of which every rank has as many labels, so that the mean of means is the mean of all.
EVEN = SHORT.but(varied_lengths=False)


@clause("distributed.equals-single")
@crossing_in_full(EVEN.but(average_tokens=False), accumulation=(1, 3), **AXES)
def test_tokens_not_averaged(runs, scenario):
    """Where each process counts labels for itself, its loss is the mean over its own: the steps are
    those of one process where examples are of one length.
    """
    steps_alike(runs.train(scenario), runs.train(scenario.alone))


@clause("distributed.equals-single")
@crossing_in_full(EVEN.but(label_smoothing=0.1), accumulation=(1, 3), **AXES)
def test_smoothing(runs, scenario):
    """The smoothed loss is that of one process, and of the loop by hand, whatever the wrapper."""
    several, single = runs.train(scenario), runs.train(scenario.alone)
    oracle.judge(runs, single, lambda by_hand: losses_alike(several, by_hand))
    steps_alike(several, single)
