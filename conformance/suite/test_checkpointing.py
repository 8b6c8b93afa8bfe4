"""Chapter checkpointing: gradient checkpointing saves memory and changes nothing."""

from conformance import oracle
from conformance.judging import (
    changed,
    close,
    close_tensors,
    equal,
    identical,
    paired,
    require,
    same_names,
)
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
    judged = _near if scenario.family.task == "seq2seq-lm" else _identical
    judged(without, checkpointed)


def _identical(without, checkpointed):
    for expected, got in paired("steps", without.steps, checkpointed.steps):
        where = f"of step {expected.number}"
        equal(f"losses {where}", got.loss, expected.loss)
        identical(f"gradients {where}", got.gradients, expected.gradients)
        identical(f"the adapter {where}", got.after.adapter, expected.after.adapter)


def _near(without, checkpointed):
    for expected, got in paired("steps", without.steps, checkpointed.steps):
        where = f"of step {expected.number}"
        close(f"the loss {where}", got.loss, expected.loss, oracle.LOSS)
        close_tensors(f"gradients {where}", got.gradients, expected.gradients, oracle.GRADIENT)
        after = got.after.adapter, expected.after.adapter
        close_tensors(f"the adapter {where}", *after, oracle.ADAPTER)


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
