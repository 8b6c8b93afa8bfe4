"""Chapter loop: batches that are balanced by the cost of their padding."""

from conformance.checks.resume import continues
from conformance.judging import equal, require
from conformance.marks import clause, native_in_full
from conformance.scenarios import Scenario

REBALANCED = {"train_sampling_strategy": "batch_rebalance"}
BASE = Scenario(examples=24, accumulation=2, batch_size=3, epochs=2.0, save="steps")


def _texts(step):
    """The texts of an optimizer step, without padding."""
    return [
        tuple(row[mask.bool()].tolist())
        for micro in step.micro_batches
        for row, mask in zip(micro.inputs["input_ids"], micro.inputs["attention_mask"], strict=True)
    ]


@clause("loop.batch-rebalance")
@native_in_full(BASE)
def test_each_example_once(runs, scenario):
    """Each step has as many examples as ever, an epoch each of them once, and the next epoch in
    another order.
    """
    seen = runs.again(scenario, extra_arguments=REBALANCED)
    equal("micro-batches a step", {len(step.micro_batches) for step in seen.steps}, {2})
    texts = [_texts(step) for step in seen.steps]
    _each_once_an_epoch(scenario, texts, runs.train(scenario))


@clause("loop.batch-rebalance")
@native_in_full(BASE.but(launch="ddp", accumulation=1))
def test_two_processes(runs, scenario):
    """The same of what two processes train on together."""
    ranks = runs.again(scenario, extra_arguments=REBALANCED).ranks
    steps = zip(*(rank.steps for rank in ranks), strict=True)
    texts = [[text for own in step for text in _texts(own)] for step in steps]
    _each_once_an_epoch(scenario, texts, runs.train(scenario.alone))


def _each_once_an_epoch(scenario, texts, plain):
    """Of ``texts``, those of each step: an epoch has what ``plain`` trained on in one."""
    equal("examples a step", {len(step) for step in texts}, {6})
    edge = scenario.steps_per_epoch
    expected = sorted(text for step in plain.steps[:edge] for text in _texts(step))
    epochs = texts[:edge], texts[edge:]
    for epoch in epochs:
        equal("examples of an epoch", sorted(text for step in epoch for text in step), expected)
    one, two = ([sorted(step) for step in epoch] for epoch in epochs)
    require(one != two, "the second epoch's steps", two, "others")


@clause("loop.batch-rebalance")
@native_in_full(BASE.but(dropout=0.1))
def test_resume(runs, scenario, folder):
    """Resumed inside an epoch, it goes on with the batches that follow."""
    full = runs.again(scenario, extra_arguments=REBALANCED)
    for step in (2, scenario.steps_per_epoch + 1):
        checkpoint = str(full.saved(step).folder)
        where = folder / str(step)
        resumed = runs.resume_from(scenario, checkpoint, where, extra_arguments=REBALANCED)
        continues(full, resumed.trained())
