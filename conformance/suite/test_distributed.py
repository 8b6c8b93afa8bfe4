"""Chapter distributed: the same contract in two processes."""

from conformance import oracle
from conformance.checks.checkpoint import (
    holds,
    holds_no_base,
    holds_the_adapter,
    load_back,
    written,
)
from conformance.checks.distributed import steps_alike
from conformance.checks.frozen import (
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.checks.resume import continues
from conformance.judging import close, equal, identical, paired, same_names
from conformance.marks import clause, crossing, crossing_and, scenarios
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
ZERO = ("zero0", "zero1", "zero2", "zero3")
LAUNCHES = ("ddp", "fsdp2", "fsdp1", *ZERO)
# One training for most tests: dropout, a shorter last window in each epoch, a save a step.
SAVING = Scenario(launch="ddp", examples=12, accumulation=2, epochs=2.0, dropout=0.1, save="steps")
# What a launch can be told beside. DeepSpeed's bf16 is another: it casts the whole model.
MIXED = tuple(
    SAVING.but(launch=launch, injection=injection, bf16=True)
    for injection in BOTH
    for launch in ("ddp", "fsdp2", "fsdp1")
)
RECOMPUTED = tuple(SAVING.but(launch=launch, recompute=True) for launch in ("fsdp2", "fsdp1"))
# Packed in bytes, as by default, which FSDP 2 leaves whole on every rank and FSDP 1 refuses.
PACKED = tuple(SAVING.but(launch=launch, quantization="nf4") for launch in ("ddp", "fsdp2"))
# Flat parameters in the stead of the model's own, which peft documents to save memory.
FLAT = tuple(
    SAVING.but(launch="fsdp1", injection=injection, use_orig_params=False) for injection in BOTH
)
OFFLOADED = tuple(
    SAVING.but(launch=launch, offload=offload)
    for launch, offload in (("zero1", "optimizer"), ("zero2", "optimizer"), ("zero3", "both"))
)
# An adapter that is there, and not trained.
SEVERAL = tuple(
    SAVING.but(launch="fsdp2", adapter=adapter) for adapter in ("second-of-two", "two-adapters")
)
# What is trained besides matrices, and what is not.
ADAPTERS = (
    *(SAVING.but(adapter=a) for a in ("modules-to-save", "token-indices", "two-adapters")),
    *(SAVING.but(launch="fsdp2", adapter=a) for a in ("modules-to-save", "token-indices")),
    *SEVERAL,
)
BASES = tuple(
    SAVING.but(launch="fsdp2", **base)
    for base in ({"architecture": "gpt2"}, {"base_dtype": "bfloat16"})
)
# Mixed precision upcasts what is trained, and leaves the base as it was loaded.
UPCAST = tuple(
    SAVING.but(launch=launch, base_dtype="bfloat16", bf16=True) for launch in ("fsdp1", "ddp")
)
SETTINGS = (*MIXED, *RECOMPUTED, *PACKED, *FLAT, *OFFLOADED, *ADAPTERS, *BASES, *UPCAST)
FEW = (SAVING.but(launch="fsdp2", bf16=True), FLAT[0], ADAPTERS[1], SEVERAL[0], UPCAST[0])
# Clipped and evaluated, so that `test_distributed_loop` judges the same trainings.
PLAIN = Scenario(
    launch="ddp",
    examples=12,
    optimizer="sgd",
    learning_rate=0.1,
    max_grad_norm=0.05,
    drop_last=True,
    evaluate="steps",
)
FLAT_PLAIN = tuple(
    PLAIN.but(launch="fsdp1", injection=injection, use_orig_params=False, accumulation=3)
    for injection in BOTH
)


@clause("distributed.same-contract")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_frozen(observation):
    """On every rank the base keeps its bits, and only the adapter has gradients and is stepped."""
    for seen in observation.ranks:
        base_stays(seen)
        settings_kept(seen)
        no_base_gradient(seen)
        optimizer_holds_the_adapter(seen)


@clause("distributed.same-contract")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_output(scenario, observation):
    """Each rank's result counts the optimizer steps, and is the mean of the losses logged."""
    logged = [entry["loss"] for entry in observation.logs]
    for seen in observation.ranks:
        equal("global_step", seen.output.global_step, scenario.steps)
        equal("steps", [step.number for step in seen.steps], list(range(1, scenario.steps + 1)))
        mean = sum(logged) / len(logged)
        close("training_loss", seen.output.training_loss, mean, oracle.LOSS)
    equal("the ranks", len(observation.ranks), scenario.processes)


@clause("distributed.same-contract")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_checkpoint_without_base(observation):
    """No file of a checkpoint holds a base weight."""
    holds_no_base(observation)


@clause("distributed.same-contract")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_checkpoint_complete(observation):
    """A checkpoint's adapter is the one that was in memory, wherever and in whatever format."""
    for save in observation.saves:
        holds_the_adapter(observation, save)


@clause("distributed.same-contract")
@scenarios(SEVERAL)
def test_checkpoint_of_each_adapter(scenario, observation):
    """A checkpoint holds each of several adapters, one that is not trained as well."""
    for save in observation.saves:
        for name in written(scenario):
            holds(scenario, save, name)


@clause("distributed.same-contract")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_resume(runs, scenario):
    """Resumed in as many processes, a training ends as the uninterrupted one, on every rank."""
    full = runs.train(scenario)
    resumed = runs.resume(scenario, 2)
    for expected, got in paired("ranks", full.ranks, resumed.ranks):
        continues(expected, got)


@clause("distributed.equals-single")
@crossing_and(FLAT_PLAIN, (), PLAIN, launch=LAUNCHES, injection=BOTH, accumulation=(1, 3))
def test_equals_single(runs, scenario):
    """w processes at batch b take the steps of one process at batch w*b, within
    `conformance.oracle`.
    """
    steps_alike(runs.train(scenario), runs.train(scenario.alone))


@clause("distributed.ranks-agree")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_ranks_agree(observation):
    """After every step all ranks hold the same adapter, though they saw other examples."""
    first, *others = observation.ranks
    for seen in others:
        for one, other in paired("steps", first.steps, seen.steps):
            identical(f"the adapter of step {one.number}", other.after.adapter, one.after.adapter)
    firsts = [seen.first.micro_batches[0].inputs["input_ids"] for seen in observation.ranks]
    equal("different batches", len({str(batch.tolist()) for batch in firsts}), len(firsts))


@clause("distributed.written-once")
@crossing(SAVING, launch=("ddp", "fsdp2", "fsdp1"), injection=BOTH)
def test_written_once(runs, scenario):
    """Where each rank has a disk of its own, rank 0 writes the checkpoint, and the others their
    random numbers alone.
    """
    first, *others = runs.again(scenario, own_folders=True).ranks
    for rank, seen in enumerate(others, start=1):
        for one, other in paired("checkpoints", first.saves, seen.saves):
            same_names(f"files that rank {rank} wrote", other.files, [f"rng_state_{rank}.pth"])
            held = [name for name in one.files if name.startswith("adapter_model")]
            equal("adapter files of rank 0", len(held), 1)


@clause("distributed.written-once")
@crossing_and(SETTINGS, FEW, SAVING, launch=LAUNCHES, injection=BOTH)
def test_loads_in_one_process(observation):
    """A checkpoint loads in one process, and gives the logits of the model that was saved."""
    load_back(observation, most=1)
