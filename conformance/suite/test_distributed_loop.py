"""Chapter distributed: clipping and evaluation in several processes, and resumes across them."""

import pytest

from conformance import oracle
from conformance.checks.distributed import steps_alike
from conformance.checks.resume import continues
from conformance.judging import close, close_tensors, equal, identical, norm, paired, require
from conformance.marks import clause, crossing, crossing_in_full, scenarios
from conformance.running.data import EVALUATION_BATCH
from conformance.running.launch import wrappers
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
LAUNCHES = ("ddp", "fsdp2", "fsdp1", "zero0", "zero1", "zero2", "zero3")
ACCUMULATED = (1, 3)
# The same trainings as `test_equals_single` judges.
CLIPPED = Scenario(
    launch="ddp",
    examples=12,
    optimizer="sgd",
    learning_rate=0.1,
    max_grad_norm=0.05,
    drop_last=True,
    evaluate="steps",
)
# Adam has moments to lose; every step is saved.
SAVED = Scenario(launch="ddp", examples=12, epochs=2.0, save="steps")


@clause("distributed.clipping")
@crossing(CLIPPED, launch=LAUNCHES, injection=BOTH, accumulation=ACCUMULATED)
def test_clipping(runs, scenario):
    """Clipped gradients and the norm that is logged are those of one process with the whole batch.

    Tolerances of `conformance.oracle`: the norm and the clipped gradients are as far off as the
    gradients are.
    """
    several, single = runs.train(scenario), runs.train(scenario.alone)
    for seen in several.ranks:
        for got, expected in paired("steps", seen.steps, single.steps):
            where = f"of step {expected.number}"
            before = norm(got.gradients)
            require(before > scenario.max_grad_norm, f"the norm {where}", before, "one to clip")
            close_tensors(f"clipped {where}", got.clipped, expected.clipped, oracle.GRADIENT)
        for got, expected in paired("logs", seen.logs, single.logs):
            require("grad_norm" in got, "grad_norm in the log", sorted(got), "there")
            close("grad_norm", got["grad_norm"], expected["grad_norm"], oracle.GRADIENT)


@clause("distributed.evaluation")
@crossing(CLIPPED, launch=LAUNCHES, injection=BOTH, accumulation=ACCUMULATED)
def test_evaluation(runs, scenario):
    """Every rank reports the `eval_loss` of one process at w times the batch size, where batches
    are all full.
    """
    _evaluated_alike(runs, scenario)


@clause("distributed.evaluation")
@crossing(CLIPPED.but(drop_last=False, max_steps=2), launch=("ddp", "zero2"), injection=BOTH)
def test_evaluation_last_batch(runs, scenario):
    """The same where the last batch is shorter than the others."""
    _evaluated_alike(runs, scenario)


def _evaluated_alike(runs, scenario):
    """Tolerance: that of the loss in `conformance.oracle`, for adapters as far apart as there."""
    wide = {"per_device_eval_batch_size": EVALUATION_BATCH * scenario.processes}
    several, single = runs.train(scenario), runs.again(scenario.alone, extra_arguments=wide)
    require(bool(single.evaluations), "evaluations", 0, "some")
    for seen in several.ranks:
        for got, expected in paired("evaluations", seen.evaluations, single.evaluations):
            where = f"eval_loss at step {expected['step']}"
            close(where, got["eval_loss"], expected["eval_loss"], oracle.LOSS)


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


WAYS = {"sampled": {}, "split": {"split_batches": True}, "stream": {"dispatch_batches": False}}


@clause("distributed.examples")
@pytest.mark.parametrize("way", WAYS)
@crossing_in_full(
    Scenario(launch="ddp", examples=9, epochs=2.0, varied_lengths=False),
    launch=("ddp", "fsdp2"),
    injection=BOTH,
)
def test_examples(runs, scenario, way):
    """The ranks share out the batches that one process gets, or their rows where they are split, in
    their order, and complete the last ones from the epoch's beginning; so they do of a stream that
    each reads for itself.
    """
    scenario = scenario.but(iterable="sized" if way == "stream" else "")
    told = wrappers.arguments(scenario).get("accelerator_config", {})
    asked = {"accelerator_config": {**told, **WAYS[way]}}
    seen = runs.again(scenario, extra_arguments=asked).ranks
    got = [row for micro in zip(*map(_batches, seen), strict=True) for own in micro for row in own]
    order = [row for own in _batches(runs.train(scenario.alone.but(batch_size=1))) for row in own]
    epochs = [order[: scenario.examples], order[scenario.examples :]]
    number = {row: place for place, row in enumerate(epochs[0])}
    lacking = -scenario.examples % (scenario.batch_size * (1 if way == "split" else len(seen)))
    expected = [number[row] for epoch in epochs for row in epoch + epoch[:lacking]]
    equal("examples, by their places in the first epoch", [number[row] for row in got], expected)


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


@clause("distributed.resume-across")
@crossing(SAVED, launch=("", "fsdp2", "zero1", "zero3"))
def test_from_data_parallel(runs, scenario):
    """What two processes wrote under data parallelism."""
    _goes_on_or_is_refused(runs, SAVED, scenario)


@clause("distributed.resume-across")
@crossing(SAVED, launch=("fsdp2", "zero1", "zero3"))
def test_into_data_parallel(runs, scenario):
    """What was written under another wrapper, resumed under data parallelism."""
    _goes_on_or_is_refused(runs, scenario, SAVED)


@clause("distributed.resume-across")
@scenarios(lambda profile: [SAVED.but(ranks=n) for n in (1, 2)][: max(1, profile.strength - 1)])
def test_steps_in_another_world(runs, scenario):
    """Resumed in one process or in two, whichever did not write it, at the same global batch, a
    training takes the steps that follow. Adam hands on what the order of sums makes of gradients.
    """
    both = (SAVED, SAVED.alone)
    wrote, resumes = both if scenario.ranks == 1 else reversed(both)
    full = runs.train(wrote)
    got = runs.resume_from(resumes, str(full.saved(2).folder), runs.folder()).trained()
    identical("the adapter at the start", got.first_state.adapter, full.steps[1].after.adapter)
    identical(
        "the optimizer at the start", _moments(got.first_state), _moments(full.steps[1].after)
    )
    for one, other in paired("steps", got.steps, full.steps[2:]):
        where = f"of step {other.number}"
        equal(f"the number {where}", one.number, other.number)
        equal(f"learning rates {where}", one.learning_rates, other.learning_rates)
        close_tensors(f"gradients {where}", one.gradients, other.gradients, oracle.GRADIENT)
        after = one.after.adapter, other.after.adapter
        close_tensors(f"the adapter {where}", *after, oracle.ADAPTER)


def _goes_on_or_is_refused(runs, wrote, resumes):
    full = runs.train(wrote)
    checkpoint, after = full.saved(2).folder, full.steps[1].after
    whole = {} if resumes.launch else {"batch_size": wrote.batch_size * wrote.processes}
    target = resumes.but(**whole)
    got = runs.resume_from(target, str(checkpoint), runs.folder())
    if got.failure is not None:
        said = got.failure.message
        require(checkpoint.name in said, "the refusal", said, f"to name {checkpoint.name}")
        return
    equal("the first step taken", got.first.number, 3)
    identical("the adapter at the start", got.first_state.adapter, after.adapter)
    identical("the optimizer at the start", _moments(got.first_state), _moments(after))


def _moments(state):
    """The moments that Adam holds for each parameter; ZeRO keeps what else there is elsewhere."""
    kinds = ("exp_avg", "exp_avg_sq")
    return {f"{n}.{k}": s[k] for n, s in state.optimizer.items() for k in kinds if k in s}
