"""Gradient checkpointing changes nothing, and leaves no adapter without its gradient."""

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
from conformance.running.observation import Observation

ROUNDED = 12 * 2**-9
ENCODED = ("seq2seq-lm", "speech-seq2seq")


def same_run(without: Observation, checkpointed: Observation) -> None:
    """Losses, gradients and adapter of every step are bit-identical.

    No tolerance: the forward pass is computed again by the same operations in the same order, from
    the same state of the generator. But for encoder-decoders: each decoder layer adds its gradient
    to the encoder's output, in another order then, so theirs are those of `conformance.oracle`. In
    bfloat16 encoders differ as well: torch may multiply in another order where no gradient is
    asked for, as in the first of two forward passes. A value is then off by up to 2^-9 after each
    of the dozen operations it passes through, which Adam may hand on as a whole step, so the first
    step alone is compared.
    """
    task = without.scenario.family.task
    if without.scenario.bf16 and task != "causal-lm":
        got, expected = checkpointed.first, without.first
        close("the first loss", got.loss, expected.loss, ROUNDED)
        close_tensors("gradients", got.gradients, expected.gradients, ROUNDED)
    elif task in ENCODED:
        _near(without, checkpointed)
    else:
        _identical(without, checkpointed)


def same_first_step(without: Observation, checkpointed: Observation) -> None:
    """The loss and the gradients of the first step, before an optimizer hands a difference on.

    Tolerance: where layers share a parameter, as some methods do, it sums their gradients in
    another order; see `conformance.oracle`.
    """
    got, expected = checkpointed.first, without.first
    close("the first loss", got.loss, expected.loss, oracle.LOSS)
    close_tensors("gradients", got.gradients, expected.gradients, oracle.GRADIENT)


def _identical(without: Observation, checkpointed: Observation) -> None:
    for expected, got in paired("steps", without.steps, checkpointed.steps):
        where = f"of step {expected.number}"
        equal(f"losses {where}", got.loss, expected.loss)
        identical(f"gradients {where}", got.gradients, expected.gradients)
        identical(f"the adapter {where}", got.after.adapter, expected.after.adapter)


def _near(without: Observation, checkpointed: Observation) -> None:
    for expected, got in paired("steps", without.steps, checkpointed.steps):
        where = f"of step {expected.number}"
        close(f"the loss {where}", got.loss, expected.loss, oracle.LOSS)
        close_tensors(f"gradients {where}", got.gradients, expected.gradients, oracle.GRADIENT)
        after = got.after.adapter, expected.after.adapter
        close_tensors(f"the adapter {where}", *after, oracle.ADAPTER)


def every_adapter_gets_its_gradient(observation: Observation) -> None:
    """Every adapter, the first layer's too, gets a gradient and moves."""
    first = observation.first
    same_names("parameters with a gradient", first.gradients, observation.trainable)
    flat = [n for n, gradient in first.gradients.items() if "lora_B" in n and not gradient.any()]
    require(not flat, "lora_B whose gradient is zero", flat, "none")
    moving = {n: t for n, t in observation.first_state.adapter.items() if "lora_B" in n}
    changed("training", moving, observation.adapters_after)
