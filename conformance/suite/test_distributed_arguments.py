"""Chapter distributed: what arguments of a training mean where several processes share it."""

import pytest

from conformance.checks.counting import examples, tokens
from conformance.checks.distributed import steps_alike
from conformance.checks.logs import speeds_are
from conformance.checks.output import counts_its_operations
from conformance.judging import equal, paired
from conformance.marks import clause, crossing_in_full
from conformance.running import saved
from conformance.scenarios import Injection, Scenario

AXES = {"launch": ("ddp", "fsdp2", "fsdp1"), "injection": tuple(Injection)}
SHORT = Scenario(launch="ddp", examples=12, max_steps=2, optimizer="sgd", learning_rate=0.1)
# Of which every rank has as many labels, so that the mean of means is the mean of all.
EVEN = SHORT.but(varied_lengths=False)
COUNTED = SHORT.but(count_tokens="all", accumulation=2, examples=16, save="steps")


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


@clause("loop.tokens-seen")
@crossing_in_full(COUNTED, count_tokens=("all", "non_padding"), **AXES)
def test_tokens_seen_by_all(observation):
    """The count logged and saved at each step is of the tokens that all processes trained on."""
    expected = tokens(observation, observation.scenario.count_tokens)
    for seen in observation.ranks:
        logged = [entry["num_input_tokens_seen"] for entry in seen.logs]
        equal("tokens logged", logged, expected)
    for save, count in paired("checkpoints", observation.saves, expected):
        held = saved.trainer_state(save.folder)["num_input_tokens_seen"]
        equal(f"tokens in {save.folder.name}", held, count)


@clause("output.total-flos")
@crossing_in_full(COUNTED, **AXES)
def test_operations_of_all(observation):
    """`total_flos` counts what all processes trained on, each token once."""
    counts_its_operations(observation)


@clause("output.metrics-values")
@crossing_in_full(COUNTED, **AXES)
def test_speeds_of_all(observation):
    """The speeds are those of all processes together."""
    for seen in observation.ranks:
        speeds_are(seen.output.metrics, "train", examples(observation), len(seen.steps))


@clause("loop.deterministic")
@crossing_in_full(EVEN, **AXES)
def test_workers_of_each_rank_draw(runs, scenario):
    """Loaders' workers of different processes draw other numbers, each the same ones again."""
    told = {"drawing": True, "extra_arguments": {"dataloader_num_workers": 1}}
    once, again = (_drawn(runs.again(scenario, **told)) for _ in range(2))
    equal("numbers drawn", again, once)
    equal("draws that differ", len({str(drawn) for drawn in once}), scenario.processes)


def _drawn(observation):
    """The numbers that each rank's examples have drawn, by micro-batch."""
    return [
        [m.inputs["input_ids"][:, 0].tolist() for step in seen.steps for m in step.micro_batches]
        for seen in observation.ranks
    ]
