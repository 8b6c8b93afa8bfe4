"""Loss scaling: what it leaves of gradients, what an overflow does, what a resume restores."""

from conformance.judging import close, equal, identical, note, require, same_bits
from conformance.judging import norm as norm_of
from conformance.running.observation import Observation
from conformance.running.scaling import ScalerWatch, saved

HALVED = 0.05
"""How far a norm in float16 may lie from float32's: a hundred roundings to 11 bits, 2**-11 each."""


def scaled_and_unscaled(seen: Observation, watch: ScalerWatch, plain: Observation) -> None:
    """The backward pass gives scaled gradients, and the optimizer gets unscaled, clipped ones."""
    require(watch.first is not None, "a loss scaler", "none, or one that is disabled", "one")
    expected, got, scale = plain.first, seen.first, watch.steps[0].before
    note(scale=scale)
    before = norm_of(got.gradients) / scale / norm_of(expected.gradients)
    close("the norm after the backward pass, over scale times float32's", before, 1.0, HALVED)
    after = norm_of(got.clipped) / norm_of(expected.clipped)
    close("the norm that the optimizer got, over float32's", after, 1.0, HALVED)
    overflowed = [step for step in watch.steps if step.skipped]
    equal("steps skipped under a scale that fits", len(overflowed), 0)


def overflow_skips(seen: Observation, watch: ScalerWatch) -> None:
    """A step whose gradients overflow changes nothing and halves the scale; the others move."""
    assert seen.start is not None
    adapter = seen.start.adapter
    equal("steps that the scaler saw", len(watch.steps), len(seen.steps))
    require(watch.steps[0].skipped, "the first step, which overflows", "taken", "skipped")
    for step, scale in zip(seen.steps, watch.steps, strict=True):
        where = f"step {step.number}"
        if scale.skipped:
            identical(f"{where}, skipped: the adapter", step.after.adapter, adapter)
            equal(f"{where}, skipped: the scale", scale.after, scale.before / 2)
        else:
            moved = [n for n, t in step.after.adapter.items() if not same_bits(t, adapter[n])]
            require(bool(moved), f"{where}, taken: tensors that moved", 0, "at least one")
        adapter = step.after.adapter
    note(skipped=sum(scale.skipped for scale in watch.steps))


def in_every_checkpoint(seen: Observation, watch: ScalerWatch) -> None:
    """Each checkpoint holds the scaler's state as it was at that step."""
    require(bool(seen.saves), "checkpoints", 0, "at least one")
    for save in seen.saves:
        held, scale = saved(save.folder), watch.steps[save.step - 1]
        got = (held.get("scale"), held.get("_growth_tracker"))
        equal(f"the scaler in {save.folder.name}", got, (scale.after, scale.tracked))


def restored(full: ScalerWatch, resumed: ScalerWatch, step: int) -> None:
    """A resumed training begins with the scale it was left with, and goes on the same way."""
    equal("the scale after the resume", resumed.first, full.steps[step - 1].after)
    equal("the scales of the steps that follow", resumed.steps, full.steps[step:])
