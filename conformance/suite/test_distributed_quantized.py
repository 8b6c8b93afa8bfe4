"""Chapter distributed: bases in 4 bits, packed in a floating dtype so that FSDP can shard them."""

from conformance import oracle
from conformance.checks.frozen import adapter_moves, no_base_gradient, optimizer_holds_the_adapter
from conformance.checks.quantized import quantized_part
from conformance.judging import close, close_tensors, equal, identical, paired, require
from conformance.marks import clause, scenarios
from conformance.scenarios import Scenario

FLOAT = Scenario(
    launch="fsdp2",
    examples=12,
    max_steps=3,
    optimizer="sgd",
    learning_rate=0.1,
    quantization="nf4",
    quant_storage="float32",
)
HALF = FLOAT.but(
    quant_storage="bfloat16", base_dtype="bfloat16", compute_dtype="bfloat16", bf16=True
)
LAUNCHES = ({"launch": "fsdp2"}, {"launch": "fsdp1"}, {"launch": "fsdp1", "use_orig_params": False})
EVERY = tuple(
    each.but(**launch, quantization=how)
    for each in (FLOAT, HALF)
    for launch in LAUNCHES
    for how in ("nf4", "fp4-double")
)


def _floats(profile):
    return [each for each in EVERY if not each.bf16] if profile.strength > 2 else [FLOAT]


def _all(profile):
    return EVERY if profile.strength > 2 else [FLOAT]


@clause("fsdp.qlora")
@scenarios(_all)
def test_packed_weights_stay(observation):
    """On every rank the packed weights and what belongs to them come back bit for bit, and only the
    adapter has gradients and moves.
    """
    for seen in observation.ranks:
        packed = quantized_part(seen.base_before)
        require(bool(packed), "packed weights", 0, "some")
        identical("packed weights", quantized_part(seen.base_after), packed)
        identical("the base", seen.base_after, seen.base_before)
        adapter_moves(seen)
        no_base_gradient(seen)
        optimizer_holds_the_adapter(seen)


@clause("fsdp.qlora")
@scenarios(_all)
def test_packed_weights_are_sharded(observation):
    """Each packed weight is held once, all ranks together, and no rank holds all of them."""
    first = observation.parameters_before
    base = [name for name, about in first.items() if about.shape[1:] == (1,)]
    require(bool(base), "packed weights", 0, "some")
    for name in base:
        parts = [seen.held[name] for seen in observation.ranks]
        rows, columns = first[name].shape
        equal(f"elements of {name} on all ranks", sum(parts), rows * columns)
    for rank, seen in enumerate(observation.ranks):
        mine = sum(seen.held[name] for name in base)
        whole = sum(sum(other.held[name] for name in base) for other in observation.ranks)
        require(0 < mine < whole, f"elements on rank {rank}", mine, f"some of {whole}")


@clause("fsdp.qlora")
@scenarios(_all)
def test_policy_takes_over_the_storage(observation):
    """What FSDP casts parameters to is the dtype that the packed weights are stored in."""
    for seen in observation.ranks:
        equal("computed in", seen.computed_in, observation.scenario.quant_storage)


@clause("fsdp.qlora")
@scenarios(_floats)
def test_equals_single(runs, scenario):
    """w processes take the steps of one at w times the batch, within `conformance.oracle`."""
    several = runs.train(scenario)
    single = runs.train(scenario.alone)
    for number, (got, expected) in enumerate(paired("steps", several.steps, single.steps)):
        where = f"of step {number + 1}"
        losses = [seen.steps[number].loss for seen in several.ranks]
        close(f"the mean loss {where}", sum(losses) / len(losses), expected.loss, oracle.LOSS)
        close_tensors(f"gradients {where}", got.gradients, expected.gradients, oracle.GRADIENT)
