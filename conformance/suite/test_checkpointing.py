"""Chapter checkpointing: gradient checkpointing saves memory and changes nothing."""

from conformance.checks.checkpointing import every_adapter_gets_its_gradient, same_run
from conformance.checks.resume import continues
from conformance.judging import Violation, note, paired, require
from conformance.marks import clause, crossing, crossing_in_full
from conformance.running import hooks, placing
from conformance.running.observation import TrainingFailed
from conformance.scenarios import Injection, Scenario, core_families

AXES = {
    "architecture": core_families(),
    "injection": tuple(Injection),
    "gradient_checkpointing": ("reentrant", "non-reentrant", "default"),
    "adapter": ("lora", "regex-targets"),
}


@clause("checkpointing.same-gradients")
@crossing(**AXES, dropout=(0.0, 0.1), bf16=(False, True), accumulation=(1, 2))
def test_same_gradients(runs, scenario):
    """With gradient checkpointing and without it the run is the same, dropout included."""
    same_run(runs.train(scenario.but(gradient_checkpointing="")), runs.train(scenario))


LAUNCHED = Scenario(launch="ddp", examples=12, max_steps=2, gradient_checkpointing="default")


@clause("checkpointing.same-gradients")
@crossing_in_full(
    LAUNCHED,
    gradient_checkpointing=("default", "reentrant", "non-reentrant"),
    injection=tuple(Injection),
    dropout=(0.0, 0.1),
)
def test_same_gradients_of_ranks(runs, scenario):
    """The same in several processes, on each of them."""
    plain, got = runs.train(scenario.but(gradient_checkpointing="")), runs.train(scenario)
    for without, checkpointed in paired("ranks", plain.ranks, got.ranks):
        same_run(without, checkpointed)


@clause("checkpointing.same-gradients")
@crossing_in_full(
    LAUNCHED.but(gradient_checkpointing="reentrant"),
    injection=tuple(Injection),
    dropout=(0.0, 0.1),
)
def test_reentrant_with_all_in_use(runs, scenario):
    """The same where DDP is told not to look for unused parameters, and passes are re-entrant."""
    plain = runs.train(scenario.but(gradient_checkpointing=""))
    told = {"ddp_find_unused_parameters": False}
    try:
        got = runs.again(scenario, extra_arguments=told)
    except TrainingFailed as failed:  # not to be excused by what is known where DDP does look
        raise Violation("the training", failed.failure, "one to its end") from None
    for without, checkpointed in paired("ranks", plain.ranks, got.ranks):
        same_run(without, checkpointed)


@clause("checkpointing.inputs-require-grad")
@crossing(**AXES)
def test_every_adapter_gets_its_gradient(observation):
    """Every adapter, the first layer's too, gets a gradient and moves."""
    every_adapter_gets_its_gradient(observation)


@clause("checkpointing.resume")
@crossing(Scenario(dropout=0.1, save="steps", examples=6), **AXES)
def test_sweep_checkpointing(runs, scenario):
    """Resumed under gradient checkpointing, a training ends exactly as the uninterrupted one."""
    continues(runs.train(scenario), runs.resume(scenario, 2))


@clause("checkpointing.saves-memory")
@crossing(Scenario(max_steps=1, batch_size=4), **AXES)
def test_saves_memory(runs, scenario):
    """With gradient checkpointing fewer bytes are held for the backward pass at any time."""
    held = []
    for name, each in ("held", scenario), ("without", scenario.but(gradient_checkpointing="")):
        placing.forget_peak()
        with hooks.HeldForBackward() as measured:
            runs.again(each)
        held.append(measured.peak)
        note(**{f"bytes_{name}": measured.peak}, **placing.peak(f"allocated_{name}"))
    require(0 < held[0] < held[1], "bytes held", held[0], f"less than {held[1]}")
