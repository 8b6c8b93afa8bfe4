"""Chapter distributed: which examples each of several processes trains on."""

import pytest

from conformance.checks.distributed import steps_alike
from conformance.checks.resume import continues
from conformance.judging import equal, paired
from conformance.marks import clause, crossing_in_full
from conformance.running.launch import wrappers
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)


@clause("distributed.iterable")
@crossing_in_full(
    Scenario(launch="ddp", iterable="sized", examples=10, epochs=2.0, varied_lengths=False),
    launch=("ddp", "fsdp2", "zero2"),
    injection=BOTH,
    accumulation=(1, 2),
)
def test_iterable(runs, scenario):
    """Of a stream the ranks together train on each example once, in its order: the steps are those
    of one process at w times the batch size, the shorter last one included.
    """
    several = runs.train(scenario)
    steps_alike(several, runs.train(scenario.alone), adapter=False)
    rows = [_rows(seen) for seen in several.ranks]
    equal("examples of each rank", [len(own) for own in rows], [scenario.examples] * len(rows))
    equal("examples that all ranks got", set.intersection(*map(set, rows)), set())


def _rows(seen):
    """The examples that a rank trained on, each as often as it did."""
    return [row for batch in _batches(seen) for row in batch]


def _batches(seen):
    """The micro-batches that a rank trained on, each a list of rows."""
    micro_batches = (micro for step in seen.steps for micro in step.micro_batches)
    return [[tuple(row.tolist()) for row in m.inputs["input_ids"]] for m in micro_batches]


WAYS = {
    "sampled": {},
    "split": {"split_batches": True},
    "stream": {"dispatch_batches": False},
    "split-stream": {"split_batches": True},
}
SHARED = Scenario(launch="ddp", examples=9, epochs=2.0, varied_lengths=False)
AXES = {"launch": ("ddp", "fsdp2"), "injection": tuple(Injection)}


@clause("distributed.examples")
@pytest.mark.parametrize("way", WAYS)
@crossing_in_full(SHARED, **AXES)
def test_examples(runs, scenario, way):
    """The ranks share out the batches that one process gets, or their rows where they are split, in
    their order, and complete the last ones from the epoch's beginning; so they do of a stream,
    whether each reads it for itself or the first one for all.
    """
    scenario = scenario.but(iterable="sized" if "stream" in way else "")
    scenario = scenario.but(batch_size=4) if "split" in way else scenario
    seen = runs.again(scenario, extra_arguments=_shared(scenario, WAYS[way])).ranks
    share = scenario.batch_size // (len(seen) if "split" in way else 1)
    equal("rows of each rank's first batch", [len(_batches(each)[0]) for each in seen], [share] * 2)
    whole = scenario.batch_size * len(seen)  # what the last examples are completed to
    whole = {"split": scenario.batch_size, "split-stream": len(seen)}.get(way, whole)
    order, number = _order(runs, scenario)
    lacking = -scenario.examples % whole
    expected = [number[row] for epoch in order for row in epoch + epoch[:lacking]]
    got = [number[row] for row in _in_turn(seen)]
    equal("examples, by their places in the first epoch", got, expected)


@clause("distributed.examples")
@pytest.mark.parametrize("way", ["sampled", "split"])
@crossing_in_full(SHARED.but(examples=11, drop_last=True), **AXES)
def test_examples_left_out(runs, scenario, way):
    """With `dataloader_drop_last` what does not suffice for a whole batch of every rank is left
    out, and nothing is completed.
    """
    seen = runs.again(scenario, extra_arguments=_shared(scenario, WAYS[way])).ranks
    step = scenario.batch_size * (1 if way == "split" else len(seen))
    order, number = _order(runs, scenario.but(drop_last=False))
    fitting = scenario.examples // step * step
    expected = [number[row] for epoch in order for row in epoch[:fitting]]
    got = [number[row] for row in _in_turn(seen)]
    equal("examples, by their places in the first epoch", got, expected)


@clause("distributed.examples")
@crossing_in_full(SHARED.but(examples=8, epochs=3.0), **AXES)
def test_streams_generator(runs, scenario):
    """A stream's own `generator` is seeded with each epoch, alike on all processes: each epoch has
    all examples once, in an order of its own.
    """
    told = _shared(scenario, {"dispatch_batches": False})
    rows = _in_turn(runs.again(scenario, shuffling=True, extra_arguments=told).ranks)
    size = scenario.examples
    epochs = [rows[place : place + size] for place in range(0, len(rows), size)]
    equal("examples of an epoch", [len(set(epoch)) for epoch in epochs], [size] * 3)
    equal("orders of the epochs that differ", len({tuple(epoch) for epoch in epochs}), 3)


def _shared(scenario, way):
    """The arguments that say how batches are shared out."""
    told = wrappers.arguments(scenario).get("accelerator_config", {})
    return {"accelerator_config": {**told, **way}}


def _in_turn(ranks):
    """The rows of all ranks, of each micro-batch the first rank's first."""
    return [
        row for micro in zip(*map(_batches, ranks), strict=True) for own in micro for row in own
    ]


def _order(runs, scenario):
    """The rows of each epoch as one process gets them, and their places in the first one."""
    alone = runs.train(scenario.alone.but(batch_size=1))
    rows = [row for own in _batches(alone) for row in own]
    epochs = [rows[: scenario.examples], rows[scenario.examples :]]
    return epochs, {row: place for place, row in enumerate(epochs[0])}


@clause("distributed.iterable")
@crossing_in_full(
    Scenario(
        launch="ddp", iterable="sized", examples=16, epochs=2.0, varied_lengths=False, save="steps"
    ),
    launch=("ddp", "fsdp2"),
    injection=BOTH,
)
def test_iterable_resume(runs, scenario):
    """Resumed inside an epoch of a stream, every rank goes on with the examples that follow."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    for expected, got in paired("ranks", full.ranks, resumed.ranks):
        continues(expected, got)
