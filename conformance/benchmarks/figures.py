"""From what was measured to what a record says of it."""

import math
from collections.abc import Mapping, Sequence

from .cases import peak_flops
from .measuring import HAND, TRAINER, Measured
from .statistics import Interval, median, shift

PUBLISHED = {
    "8b-lora": (
        "NVIDIA NeMo AutoModel, Llama-3-8B LoRA, one H100: 12473 tokens/s, 402 TFLOP/s "
        "(its own kernels, data and counting)"
    )
}
"""What others state for a shape and method, to stand beside it."""

Figures = dict[str, float | int | str]


def speed(found: Measured, card: str) -> Figures:
    """Step time, tokens a second and utilisation of the Trainer's training, with intervals."""
    step = median(found.samples[TRAINER])
    ranks = _number(found, "world_size")
    tokens, flops = _number(found, "processed_a_step") * ranks, _number(found, "flops_a_token")
    told: Figures = {**found.figures, "windows": len(found.samples[TRAINER])}
    told |= _seconds("step_seconds", step)
    told["tokens_a_second"] = tokens / step.value
    told["tokens_a_second_low"] = tokens / step.high
    told["tokens_a_second_high"] = tokens / step.low
    told["supervised_a_second"] = _number(found, "supervised_a_step") * ranks / step.value
    done = flops * tokens / step.value
    told["tflops"] = done / 1e12
    peak = peak_flops(card)
    if peak:
        told["model_flop_utilisation"] = done / (peak * ranks)
        told["peak_tflops_of_the_maker"] = peak / 1e12
    return told


def overhead(found: Measured) -> Figures:
    """The Trainer's time a step over the hand-written loop's; 0.01 is one part in a hundred."""
    over = shift(found.samples[HAND], found.samples[TRAINER])
    by = {name: median(found.samples[name]) for name in (TRAINER, HAND)}
    told: Figures = {"windows": len(found.samples[HAND])}
    for name, value in by.items():
        told |= _seconds(f"{name}_seconds", value)
    parts = {"overhead": over.value, "overhead_low": over.low, "overhead_high": over.high}
    return {**told, **{name: math.expm1(value) for name, value in parts.items()}}


def saving(adapter: Measured, full: Measured) -> Figures:
    """What the adapter takes of what full fine-tuning takes: 0.1 is a tenth."""
    told: Figures = {}
    one, other = (median(each.samples[TRAINER]).value for each in (adapter, full))
    told["step_share"] = one / other
    for name in ("peak_allocated", "peak_resident", "checkpoint_bytes", "checkpoint_seconds"):
        if name in adapter.figures and name in full.figures:
            part, whole = _number(adapter, name), _number(full, name)
            told[f"{name}_share"] = part / whole if whole else 0.0
            told[f"{name}_adapter"], told[f"{name}_full"] = part, whole
    return told


def published(shape: str, method: str) -> Mapping[str, str]:
    """What others state, if anything."""
    known = PUBLISHED.get(f"{shape}-{method}")
    return {"published": known} if known else {}


def samples(found: Measured, *names: str) -> dict[str, Sequence[float]]:
    """The samples of a record's case: seconds a step, six digits."""
    return {name: [float(f"{value:.6g}") for value in found.samples[name]] for name in names}


def _seconds(name: str, interval: Interval) -> Figures:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _number(found: Measured, name: str) -> float:
    return float(found.figures[name])
