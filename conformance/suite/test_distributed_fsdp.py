"""Chapter distributed: what FSDP shards together, and what its state dicts bring back."""

from conformance.checks.checkpoint import holds_the_adapter
from conformance.checks.resume import continues
from conformance.judging import empty, paired, require
from conformance.marks import clause, crossing_and
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
# The same training as in `test_distributed`, so that both judge one.
SHARDED = Scenario(
    launch="fsdp2", examples=12, accumulation=2, epochs=2.0, dropout=0.1, save="steps"
)
VERSIONS = ("fsdp2", "fsdp1")
# Flat parameters in the stead of the model's own.
FLAT = SHARDED.but(launch="fsdp1", use_orig_params=False)
FLATS = tuple(
    FLAT.but(injection=injection, state_dict=kind)
    for injection in BOTH
    for kind in ("full", "sharded")
)

# What is trained may be no Linear layer.
FLAT_UNITS = (
    *(FLAT.but(injection=injection) for injection in BOTH),
    FLAT.but(adapter="saved-embedding", save="no"),
)
# A second adapter is trained, and the first is there.
SECOND = tuple(SHARDED.but(adapter="second-of-two", state_dict=k) for k in ("sharded", "full"))


@clause("fsdp.peft-policy-applied")
@crossing_and(FLAT_UNITS, (FLAT_UNITS[0], FLAT_UNITS[-1]), SHARDED, launch=VERSIONS)
def test_units_do_not_mix(observation):
    """Each decoder layer is a unit, and under FSDP 1, whose units are flat parameters, each trained
    layer within it: no flat parameter holds frozen and trainable ones.
    """
    flat = observation.scenario.launch == "fsdp1"
    for seen in observation.ranks:
        kinds = {}
        for name, unit in seen.units.items():
            kinds.setdefault(unit, set()).add(seen.parameters_before[name].requires_grad)
        mixed = [unit for unit, found in kinds.items() if len(found) > 1]
        empty("units of frozen and trainable parameters", mixed if flat else ())
        layers = [unit for unit in kinds if unit.rpartition(".")[2].isdigit()]
        require(len(layers) == 2, "decoder layers that are units", layers, "both")


@clause("fsdp.state-dict-types")
@crossing_and(
    (*FLATS, *SECOND),
    SECOND[:1],
    SHARDED,
    launch=VERSIONS,
    injection=BOTH,
    state_dict=("full", "sharded"),
)
def test_state_dicts_resume(runs, scenario):
    """A resume from either kind of state dict ends as the uninterrupted training, on every rank."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    for expected, got in paired("ranks", full.ranks, resumed.ranks):
        continues(expected, got)


@clause("fsdp.state-dict-types")
@crossing_and(
    (*FLATS, *SECOND),
    SECOND[:1],
    SHARDED,
    launch=VERSIONS,
    injection=BOTH,
    state_dict=("full", "sharded"),
)
def test_state_dicts_hold_the_adapter(observation):
    """What is on disk of either kind gives back the adapter that was in memory."""
    for save in observation.saves:
        holds_the_adapter(observation, save)
