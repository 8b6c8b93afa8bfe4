"""Chapter checkpointing: gradient checkpointing saves memory and changes nothing."""

from conformance.checks.checkpointing import every_adapter_gets_its_gradient, trains_alike
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
    """With gradient checkpointing and without it the run is bit-identical, dropout included.

    No tolerance: the forward pass is computed again by the same operations in the same order, from
    the same state of the generator. But for encoder-decoders: each decoder layer adds its gradient
    to the encoder's output, in another order then, so theirs are those of `conformance.oracle`.
    """
    without = runs.train(scenario.but(gradient_checkpointing=""))
    checkpointed = runs.train(scenario)
    trains_alike(without, checkpointed)


@clause("checkpointing.inputs-require-grad")
@crossing(**AXES)
def test_every_adapter_gets_its_gradient(observation):
    """Every adapter, the first layer's too, gets a gradient and moves."""
    every_adapter_gets_its_gradient(observation)
