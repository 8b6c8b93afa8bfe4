"""Chapter checkpointing: gradient checkpointing saves memory and changes nothing."""

from conformance.checks.checkpointing import same_run
from conformance.judging import changed, require, same_names
from conformance.marks import clause, crossing
from conformance.scenarios import Injection, core_families

AXES = {
    "architecture": core_families(),
    "injection": tuple(Injection),
    "gradient_checkpointing": ("reentrant", "non-reentrant"),
}


@clause("checkpointing.same-gradients")
@crossing(**AXES, dropout=(0.0, 0.1))
def test_same_gradients(runs, scenario):
    """With gradient checkpointing and without it the run is the same, dropout included."""
    same_run(runs.train(scenario.but(gradient_checkpointing="")), runs.train(scenario))


@clause("checkpointing.inputs-require-grad")
@crossing(**AXES)
def test_every_adapter_gets_its_gradient(observation):
    """Every adapter, the first layer's too, gets a gradient and moves."""
    first = observation.first
    same_names("parameters with a gradient", first.gradients, observation.trainable)
    flat = [n for n, gradient in first.gradients.items() if "lora_B" in n and not gradient.any()]
    require(not flat, "lora_B whose gradient is zero", flat, "none")
    moving = {n: t for n, t in observation.start.adapter.items() if "lora_B" in n}
    changed("training", moving, observation.adapters_after)
