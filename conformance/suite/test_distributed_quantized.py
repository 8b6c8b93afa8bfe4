"""Chapter distributed: bases in 4 bits, packed in a floating dtype so that FSDP can shard them."""

from conformance.checks.distributed import steps_alike
from conformance.checks.quantized import packed_base_stays, packed_weights_are_sharded
from conformance.judging import equal
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
# Packed in another dtype than mixed precision would cast to.
OTHER = tuple(FLOAT.but(**launch, bf16=True) for launch in LAUNCHES)


def _floats(profile):
    return [each for each in EVERY if not each.bf16] if profile.strength > 2 else [FLOAT]


def _all(profile):
    return EVERY if profile.strength > 2 else [FLOAT]


def _of_other_storage(profile):
    return OTHER if profile.strength > 2 else OTHER[1:2]


@clause("fsdp.qlora")
@scenarios(_all)
def test_packed_weights_stay(observation):
    """On every rank the packed weights and what belongs to them come back bit for bit, and only the
    adapter has gradients and moves.
    """
    for seen in observation.ranks:
        packed_base_stays(seen)


@clause("fsdp.qlora")
@scenarios(_all)
def test_packed_weights_are_sharded(observation):
    """Each packed weight is held once, all ranks together, and no rank holds all of them."""
    packed_weights_are_sharded(observation)


@clause("fsdp.qlora")
@scenarios(_all)
def test_policy_takes_over_the_storage(observation):
    """What FSDP casts parameters to is the dtype that the packed weights are stored in."""
    for seen in observation.ranks:
        equal("computed in", seen.computed_in, observation.scenario.quant_storage)


@clause("fsdp.qlora")
@scenarios(_of_other_storage)
def test_policy_of_another_storage(observation):
    """So it is where that is another dtype than mixed precision asks for, and the packed weights
    come back bit for bit.
    """
    for seen in observation.ranks:
        equal("computed in", seen.computed_in, observation.scenario.quant_storage)
        packed_base_stays(seen)


@clause("fsdp.qlora")
@scenarios(_floats)
def test_equals_single(runs, scenario):
    """w processes take the steps of one at w times the batch, within `conformance.oracle`."""
    steps_alike(runs.train(scenario), runs.train(scenario.alone), adapter=False)
