"""Chapter distributed: what ZeRO moves to the CPU, and bases in 4 bits under it.

Trained on a CPU, nothing leaves a device; that it saves memory on a card is not shown. What is
judged is the same everywhere: DeepSpeed's other ways of keeping gradients, stepping and writing.
"""

from conformance.checks.checkpoint import holds_no_base, holds_the_adapter
from conformance.checks.distributed import keeps_its_optimizer, steps_alike
from conformance.checks.frozen import (
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.checks.quantized import packed_base_stays, packed_weights_are_sharded
from conformance.marks import clause, scenarios
from conformance.scenarios import Scenario

SAVING = Scenario(launch="zero2", examples=12, accumulation=2, epochs=2.0, save="steps")
MOVED = (
    {"launch": "zero1", "offload": "optimizer"},
    {"launch": "zero2", "offload": "optimizer"},
    {"launch": "zero3", "offload": "optimizer"},
    {"launch": "zero3", "offload": "parameters"},
    {"launch": "zero3", "offload": "both"},
)
OFFLOADED = tuple(SAVING.but(**moved) for moved in MOVED)
SGD = Scenario(launch="zero2", examples=12, optimizer="sgd", learning_rate=0.1)
PLAIN = tuple(SGD.but(**moved) for moved in MOVED)
QUANTIZED = SGD.but(max_steps=3, quantization="nf4")
# Below stage 3 nothing is sharded that a dtype would have to suit.
PACKED = tuple(
    QUANTIZED.but(launch=launch, quant_storage=storage)
    for launch, storage in (("zero1", "uint8"), ("zero2", "uint8"), ("zero3", "float32"))
)
HALF = {
    "quant_storage": "bfloat16",
    "base_dtype": "bfloat16",
    "compute_dtype": "bfloat16",
    "bf16": True,
}
WIDER = (
    *(one.but(quantization="fp4-double") for one in PACKED),
    *(one.but(**HALF) for one in PACKED),
)


def _all(profile):
    return (*PACKED, *WIDER) if profile.strength > 2 else PACKED


def _floats(profile):
    return [each for each in _all(profile) if not each.bf16]


@clause("deepspeed.offload")
@scenarios(OFFLOADED)
def test_offloaded_contract(observation):
    """On every rank the base keeps its bits and the adapter is what is stepped and written."""
    for seen in observation.ranks:
        base_stays(seen)
        settings_kept(seen)
        no_base_gradient(seen)
        optimizer_holds_the_adapter(seen)
    holds_no_base(observation)
    for save in observation.saves:
        holds_the_adapter(observation, save)


@clause("deepspeed.offload")
@scenarios(OFFLOADED)
def test_offloaded_alike(runs, scenario):
    """The steps are those of one process with the whole batch, within `conformance.oracle`."""
    steps_alike(runs.train(scenario), runs.train(scenario.alone))


@clause("deepspeed.offload")
@scenarios(PLAIN)
def test_optimizer_is_kept(runs, scenario):
    """So are they where another optimizer than Adam was asked for."""
    keeps_its_optimizer(runs, scenario)


@clause("deepspeed.qlora")
@scenarios(_all)
def test_packed_base_stays(observation):
    """On every rank the packed weights and what belongs to them come back bit for bit, and only the
    adapter has gradients and moves.
    """
    for seen in observation.ranks:
        packed_base_stays(seen)


@clause("deepspeed.qlora")
@scenarios(lambda profile: [each for each in _all(profile) if each.launch == "zero3"])
def test_packed_base_is_sharded(observation):
    """Under stage 3 each packed weight is held once, all ranks together."""
    packed_weights_are_sharded(observation)


@clause("deepspeed.qlora")
@scenarios(_floats)
def test_packed_base_trains_alike(runs, scenario):
    """w processes take the steps of one at w times the batch, within `conformance.oracle`."""
    steps_alike(runs.train(scenario), runs.train(scenario.alone))
