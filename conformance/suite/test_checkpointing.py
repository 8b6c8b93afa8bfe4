"""Chapter checkpointing: gradient checkpointing saves memory and changes nothing."""

from conformance import oracle
from conformance.checks.resume import continues
from conformance.judging import (
    changed,
    close,
    close_tensors,
    equal,
    identical,
    note,
    paired,
    require,
    same_names,
)
from conformance.marks import clause, crossing
from conformance.running import hooks
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
    """With gradient checkpointing and without it the run is bit-identical, dropout included.

    No tolerance: the forward pass is computed again by the same operations in the same order, from
    the same state of the generator. But for encoder-decoders: each decoder layer adds its gradient
    to the encoder's output, in another order then, so theirs are those of `conformance.oracle`. In
    bfloat16 a gradient is off by up to 2^-9 after each of the dozen operations it passes through,
    which Adam may hand on as a whole step, so there the first step's gradients alone are compared.
    """
    without = runs.train(scenario.but(gradient_checkpointing=""))
    checkpointed = runs.train(scenario)
    if scenario.family.task != "seq2seq-lm":
        _identical(without, checkpointed)
    elif scenario.bf16:
        first = checkpointed.first, without.first
        equal("the first loss", *(step.loss for step in first))
        close_tensors("gradients", *(step.gradients for step in first), 12 * 2**-9)
    else:
        _near(without, checkpointed)


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
    for each in (scenario, scenario.but(gradient_checkpointing="")):
        with hooks.HeldForBackward() as measured:
            runs.again(each)
        held.append(measured.peak)
    note(bytes_held=held[0], bytes_without=held[1])
    require(0 < held[0] < held[1], "bytes held", held[0], f"less than {held[1]}")
