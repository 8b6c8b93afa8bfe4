"""Chapter distributed: what a launch can be told beside, and what it does to a training."""

import pytest
import torch

from conformance import oracle
from conformance.checks.checkpoint import holds_the_adapter
from conformance.checks.checkpointing import same_run
from conformance.checks.distributed import steps_alike
from conformance.checks.stopping import Stopping
from conformance.judging import (
    close,
    close_tensors,
    empty,
    equal,
    identical,
    norm,
    paired,
    require,
)
from conformance.marks import clause, scenarios
from conformance.running.data import EVALUATION_BATCH, EVALUATION_EXAMPLES
from conformance.running.launch import wrappers
from conformance.running.measuring import at_the_labels, measured
from conformance.scenarios import Injection, Scenario, crossed

BOTH = tuple(Injection)
LAUNCHES = ("fsdp2", "ddp", "fsdp1", "zero0", "zero1", "zero2", "zero3")
SHARDING = ("fsdp2", "fsdp1")
SHORT = Scenario(launch="fsdp2", examples=12, max_steps=2)
# Up to 2^-9 after each of the dozen operations that a value passes through in bfloat16; gradients
# pass through them forth and back, and are rounded before and after the sum over the ranks.
ROUNDED = 12 * 2**-9
ROUNDED_GRADIENT = (2 * 12 + 2) * 2**-9


def _widened(few, base, **values):
    """The scenarios of ``few``; in the full profile ``base`` with every combination of fields."""
    return scenarios(
        lambda profile: crossed(len(values), values, base) if profile.strength > 2 else few
    )


@clause("fsdp.activation-checkpointing")
@_widened(
    [SHORT.but(recompute=True), SHORT.but(launch="fsdp1", recompute=True, dropout=0.1)],
    SHORT.but(recompute=True),
    launch=SHARDING,
    injection=BOTH,
    dropout=(0.0, 0.1),
    bf16=(False, True),
)
def test_recomputed_alike(runs, scenario):
    """With FSDP's activation checkpointing and without it the run is the same, on every rank."""
    plain, got = runs.train(scenario.but(recompute=False)), runs.train(scenario)
    for without, recomputed in paired("ranks", plain.ranks, got.ranks):
        same_run(without, recomputed)


@clause("distributed.mixed-precision")
@_widened(
    [SHORT.but(bf16=True, optimizer="sgd", learning_rate=0.1)],
    SHORT.but(bf16=True, optimizer="sgd", learning_rate=0.1),
    launch=("fsdp2", "ddp", "fsdp1"),
    injection=BOTH,
)
def test_mixed_alike(runs, scenario):
    """In bfloat16 w processes take the first step of one at w times the batch, near enough; they
    compute in bfloat16 indeed, and keep the adapter in float32.
    """
    several, single = runs.train(scenario), runs.train(scenario.alone)
    exact = runs.train(scenario.alone.but(bf16=False))
    losses = [seen.first.loss for seen in several.ranks]
    close("the first mean loss", sum(losses) / len(losses), single.first.loss, ROUNDED)
    got, expected = several.first.gradients, single.first.gradients
    close_tensors("gradients", got, expected, ROUNDED_GRADIENT)
    moved = {name: got[name] - exact.first.gradients[name] for name in got}
    apart, least = norm(moved) / norm(got), 10 * oracle.GRADIENT
    require(apart > least, "distance from the gradients in float32", apart, f"above {least}")
    for seen in several.ranks:
        adapter = seen.first.after.adapter
        equal("dtypes of the adapter", {str(t.dtype) for t in adapter.values()}, {"torch.float32"})
        coarse = [n for n, t in adapter.items() if torch.equal(t, t.bfloat16().float())]
        empty("adapter tensors rounded to bfloat16", coarse)


UNCAST = SHORT.but(injection="add_adapter", base_dtype="bfloat16", bf16=True)


@clause("distributed.mixed-precision")
@_widened([UNCAST], UNCAST, save=("no", "steps"))
def test_mixed_from_bfloat16(observation):
    """Of a model in bfloat16 FSDP 2 steps the adapter in float32 under mixed precision, as it
    documents, though the adapter was added in bfloat16.
    """
    for seen in observation.ranks:
        dtypes = {str(tensor.dtype) for tensor in seen.first.after.adapter.values()}
        equal("dtypes of the adapter", dtypes, {"torch.float32"})


# ---- batches and memory ----------------------------------------------------------------------

SPREAD = SHORT.but(
    launch="ddp", optimizer="sgd", learning_rate=0.1, batch_size=4, varied_lengths=False
)


@clause("distributed.equals-single")
@pytest.mark.parametrize("way", ["split_batches", "dispatch_batches"])
@_widened([SPREAD], SPREAD, launch=("ddp", "fsdp2"), injection=BOTH)
def test_batches_by_accelerate(runs, scenario, way):
    """Batches that are split over the processes, or dispatched by the first, take the steps of one
    process at that batch size, or at w times it. All are of one length, which dispatching wants.
    """
    told = wrappers.arguments(scenario).get("accelerator_config", {})
    several = runs.again(scenario, extra_arguments={"accelerator_config": {**told, way: True}})
    whole = scenario.alone.batch_size // (scenario.processes if way == "split_batches" else 1)
    steps_alike(several, runs.train(scenario.alone.but(batch_size=whole)))


VARIED = SHORT.but(launch="ddp", evaluate="steps", max_steps=1)
MEASURED = VARIED.but(varied_lengths=False)


@clause("distributed.metrics")
@pytest.mark.parametrize("batch", [2, 3])
@_widened([MEASURED], MEASURED, launch=("ddp", "fsdp2", "fsdp1"), injection=BOTH)
def test_metrics(runs, scenario, batch):
    """`compute_metrics` is handed each example of the evaluation once, in order, on every rank, and
    what the model gives for it, though they do not fill the last batches of all.
    """
    got, expected = _measured(runs, scenario, batch)
    equal("rows, in one process", expected["eval_rows"], EVALUATION_EXAMPLES)
    for seen in got:
        for name in ("eval_rows", "eval_labels", "eval_order"):
            equal(name, seen[name], expected[name])
        _sums_alike(seen, expected)


@clause("distributed.metrics")
@_widened([VARIED], VARIED, launch=("ddp", "fsdp2", "fsdp1"), injection=BOTH)
def test_metrics_of_varied_lengths(runs, scenario):
    """Where examples are of varied lengths, what the ranks pad for each other counts as padding."""
    got, expected = _measured(runs, scenario, EVALUATION_BATCH)
    for seen in got:
        for name in ("eval_rows", "eval_counted", "eval_labels", "eval_order"):
            equal(name, seen[name], expected[name])


@clause("distributed.metrics")
@_widened([MEASURED], MEASURED, launch=("ddp", "fsdp2", "fsdp1"), injection=BOTH)
def test_metrics_of_split_batches(runs, scenario):
    """Each example reaches it once, in order, also where each batch is split over the processes."""
    told = wrappers.arguments(scenario).get("accelerator_config", {})
    asked = {"accelerator_config": {**told, "split_batches": True}}
    got, expected = _measured(runs, scenario.but(batch_size=4), 4, split=asked)
    for seen in got:
        for name in ("eval_rows", "eval_labels", "eval_order"):
            equal(name, seen[name], expected[name])


@clause("distributed.metrics")
@_widened([VARIED], VARIED, launch=("ddp", "fsdp2", "fsdp1"), injection=BOTH)
def test_metrics_of_reduced_logits(runs, scenario):
    """What logits are reduced by before they are gathered has each batch's own labels."""
    got, expected = _measured(runs, scenario, EVALUATION_BATCH, reduced=True)
    for seen in got:
        equal("rows", seen["eval_rows"], expected["eval_rows"])
        _sums_alike(seen, expected)


def _sums_alike(seen, expected):
    """Tolerance: the adapter is as far off as `oracle.ADAPTER`, and no logit is by a larger share
    of what logits come to.
    """
    apart = abs(seen["eval_logits"] - expected["eval_logits"]) / expected["eval_sizes"]
    require(apart <= oracle.ADAPTER, "sum of logits, off by", apart, f"at most {oracle.ADAPTER}")


def _measured(runs, scenario, batch, reduced=False, split=None):
    """What each rank measured in its only evaluation, and what one process did."""
    told = {"per_device_eval_batch_size": batch}
    asked = {**told, **(split or {})}
    several = runs.again(scenario, measured=True, reduced=reduced, extra_arguments=asked)
    options = {"compute_metrics": measured}
    if reduced:
        options["preprocess_logits_for_metrics"] = at_the_labels
    single = runs.again(scenario.alone, trainer_options=options, extra_arguments=told)
    (expected,) = single.evaluations
    return [seen.evaluations[0] for seen in several.ranks], expected


# ---- the best checkpoint --------------------------------------------------------------------

BEST = SHORT.but(
    max_steps=4, save="steps", evaluate="steps", load_best=True, greater_is_better=True
)


@clause("distributed.best")
@_widened([BEST], BEST, launch=("fsdp2", "ddp", "fsdp1"), injection=BOTH)
def test_best_is_loaded(observation):
    """The adapter of the best checkpoint is in memory, on every rank, and no other."""
    losses = {entry["eval_loss"]: entry["step"] for entry in observation.evaluations}
    best = losses[max(losses)]
    require(best < len(losses), "the best step", best, "not the last, or nothing is shown")
    for seen in observation.ranks:
        equal("the best checkpoint", seen.best_checkpoint, observation.best_checkpoint)
        identical("the adapter in memory", seen.adapters_after, seen.steps[best - 1].after.adapter)


@clause("distributed.best")
@_widened([BEST], BEST, launch=LAUNCHES, injection=BOTH)
def test_stops_early(runs, scenario):
    """Every rank stops at the evaluation at which early stopping is documented to."""
    stopping = Stopping(2, rising=True)
    seen = runs.again(scenario.but(max_steps=6), patience=stopping.patience)
    values = [entry["eval_loss"] for entry in seen.evaluations]
    expected = stopping.after(values)
    require(0 < expected < 6, "the step to stop at", expected, "before the last")
    for rank in seen.ranks:
        equal("the last step", rank.steps[-1].number, expected)
        equal("global_step", rank.output.global_step, expected)


@clause("distributed.save-only-model")
@_widened(
    [SHORT.but(save="steps", save_only_model=True)],
    SHORT.but(save="steps", save_only_model=True),
    launch=LAUNCHES,
    injection=BOTH,
)
def test_save_only_model(observation):
    """`save_only_model` writes the adapter, and no state of the optimizer, scheduler or generators,
    sharded or not.
    """
    require(len(observation.saves) == 2, "checkpoints", len(observation.saves), 2)
    for save in observation.saves:
        states = ("optimizer", "scheduler", "rng_state", "scaler", "global_step", "zero_to_fp32")
        empty("files of state", [name for name in save.files if name.startswith(states)])
        holds_the_adapter(observation, save)
