"""The learning rates of the named schedules, written out from their documentation.

Source: https://huggingface.co/docs/transformers/main_classes/optimizer_schedules
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from conformance.scenarios import SCHEDULE_ARGUMENTS, Scenario

UNTIMED = 10_000  # the time scale of ``inverse_sqrt`` where there is no warm-up


def learning_rate(scenario: Scenario, step: int, given: Mapping[str, Any] | None = None) -> float:
    """The rate of optimizer step ``step``, counted from 0, of the named schedule.

    ``given`` are the schedule's own arguments, where they are not the scenario's. Raises `KeyError`
    for a schedule that is not written out here.
    """
    if given is None:
        given = SCHEDULE_ARGUMENTS.get(scenario.schedule, {})
    if step < scenario.warmup_steps:
        return scenario.learning_rate * _warming(scenario, step, given)
    if scenario.schedule == "polynomial":
        return _polynomial(scenario, step, **given)
    return scenario.learning_rate * _AFTER[scenario.schedule](scenario, step, **given)


def _warming(scenario: Scenario, step: int, given: Mapping[str, Any]) -> float:
    """From zero, or from the share of the peak that the schedule starts at, mostly in a line."""
    if scenario.schedule == "cosine_warmup_with_min_lr":
        # Without a share to start at it is one part of the warm-up's number of steps.
        start = given.get("warmup_lr_rate", 1 / scenario.warmup_steps)
        return float(start + (1 - start) * step / max(1, scenario.warmup_steps - 1))
    lowest = given.get("min_lr_ratio", 0.0)
    risen = _RISEN[given.get("warmup_type", "linear")](step / scenario.warmup_steps)
    return float(lowest + (1 - lowest) * risen)


def _cosine_wave(progress: float, cycles: float = 0.5) -> float:
    """1 down to 0 in half a wave, and up again in the other half."""
    return 0.5 * (1 + math.cos(2 * math.pi * cycles * progress))


_RISEN: Mapping[str, Callable[[float], float]] = {
    "linear": lambda progress: progress,
    "cosine": lambda progress: 1 - _cosine_wave(progress),
    "1-sqrt": lambda progress: 1 - math.sqrt(1 - progress),
}
_FALLEN: Mapping[str, Callable[[float], float]] = {
    "linear": lambda progress: 1 - progress,
    "cosine": _cosine_wave,
    "1-sqrt": lambda progress: 1 - math.sqrt(progress),
}


def _progress(scenario: Scenario, step: int) -> float:
    """How far the part after the warm-up has got, 0 to 1."""
    return (step - scenario.warmup_steps) / max(1, scenario.steps - scenario.warmup_steps)


def _linear(scenario: Scenario, step: int) -> float:
    return max(0.0, 1.0 - _progress(scenario, step))


def _cosine(
    scenario: Scenario,
    step: int,
    num_cycles: float = 0.5,
    min_lr_rate: float = 0.0,
    min_lr: float | None = None,
) -> float:
    lowest = min_lr_rate if min_lr is None else min_lr / scenario.learning_rate
    return lowest + (1 - lowest) * _cosine_wave(_progress(scenario, step), num_cycles)


def _cosine_a_step_ahead(
    scenario: Scenario, step: int, warmup_lr_rate: float = 0.0, **given: float
) -> float:
    """Its warm-up reaches the peak in its last step, so the cosine begins one step down."""
    return _cosine(scenario, step + 1, **given)


def _restarting(scenario: Scenario, step: int, num_cycles: int) -> float:
    progress = _progress(scenario, step)
    return _cosine_wave((num_cycles * progress) % 1.0) if progress < 1 else 0.0


def _polynomial(scenario: Scenario, step: int, lr_end: float, power: float) -> float:
    left = max(0.0, 1.0 - _progress(scenario, step))
    return float((scenario.learning_rate - lr_end) * left**power + lr_end)


def _inverse_square_root(scenario: Scenario, step: int, timescale: int | None = None) -> float:
    scale = timescale or scenario.warmup_steps or UNTIMED
    return 1 / math.sqrt(1 + (step - scenario.warmup_steps) / scale)


def _stable_then_decaying(
    scenario: Scenario,
    step: int,
    *,
    num_decay_steps: int,
    min_lr_ratio: float = 0.0,
    num_stable_steps: int | None = None,
    warmup_type: str = "linear",
    decay_type: str = "cosine",
) -> float:
    """What is left over after the decay, if anything is, stays at the lowest rate."""
    stable = num_stable_steps
    if stable is None:
        stable = scenario.steps - scenario.warmup_steps - num_decay_steps
    decayed = max(0, step - scenario.warmup_steps - stable) / num_decay_steps
    return min_lr_ratio + (1 - min_lr_ratio) * _FALLEN[decay_type](min(1.0, decayed))


_AFTER: Mapping[str, Callable[..., float]] = {
    "linear": _linear,
    "cosine": _cosine,
    "constant": lambda *_: 1.0,
    "constant_with_warmup": lambda *_: 1.0,
    "inverse_sqrt": _inverse_square_root,
    "cosine_with_restarts": _restarting,
    "cosine_with_min_lr": _cosine,
    "cosine_warmup_with_min_lr": _cosine_a_step_ahead,
    "warmup_stable_decay": _stable_then_decaying,
}
