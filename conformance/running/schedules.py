"""The learning rates of the named schedules, written out from their documentation.

Source: https://huggingface.co/docs/transformers/main_classes/optimizer_schedules
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from conformance.scenarios import SCHEDULE_ARGUMENTS, Scenario

UNTIMED = 10_000  # the time scale of ``inverse_sqrt`` where there is no warm-up


def learning_rate(scenario: Scenario, step: int) -> float:
    """The rate of optimizer step ``step``, counted from 0, of the named schedule.

    Raises `KeyError` for a schedule that is not written out here.
    """
    given = SCHEDULE_ARGUMENTS.get(scenario.schedule, {})
    if step < scenario.warmup_steps:
        return scenario.learning_rate * _warming(scenario, step, given)
    if scenario.schedule == "polynomial":
        return _polynomial(scenario, step, **given)
    return scenario.learning_rate * _AFTER[scenario.schedule](scenario, step, **given)


def _warming(scenario: Scenario, step: int, given: Mapping[str, Any]) -> float:
    """Warm-up is linear, from zero or from the share of the peak that the schedule starts at."""
    if scenario.schedule == "cosine_warmup_with_min_lr":
        start, last = given["warmup_lr_rate"], max(1, scenario.warmup_steps - 1)
        return float(start + (1 - start) * step / last)
    lowest = given.get("min_lr_ratio", 0.0)
    return float(lowest + (1 - lowest) * step / scenario.warmup_steps)


def _progress(scenario: Scenario, step: int) -> float:
    """How far the part after the warm-up has got, 0 to 1."""
    return (step - scenario.warmup_steps) / max(1, scenario.steps - scenario.warmup_steps)


def _half_cosine(progress: float, lowest: float = 0.0) -> float:
    return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress))


def _linear(scenario: Scenario, step: int) -> float:
    return max(0.0, 1.0 - _progress(scenario, step))


def _cosine(scenario: Scenario, step: int, min_lr_rate: float = 0.0) -> float:
    return _half_cosine(_progress(scenario, step), min_lr_rate)


def _cosine_a_step_ahead(
    scenario: Scenario, step: int, min_lr_rate: float, warmup_lr_rate: float
) -> float:
    """Its warm-up reaches the peak in its last step, so the cosine begins one step down."""
    return _half_cosine(_progress(scenario, step + 1), min_lr_rate)


def _restarting(scenario: Scenario, step: int, num_cycles: int) -> float:
    progress = _progress(scenario, step)
    return _half_cosine((num_cycles * progress) % 1.0) if progress < 1 else 0.0


def _polynomial(scenario: Scenario, step: int, lr_end: float, power: float) -> float:
    left = max(0.0, 1.0 - _progress(scenario, step))
    return float((scenario.learning_rate - lr_end) * left**power + lr_end)


def _inverse_square_root(scenario: Scenario, step: int) -> float:
    scale = scenario.warmup_steps or UNTIMED
    return 1 / math.sqrt(1 + (step - scenario.warmup_steps) / scale)


def _stable_then_decaying(
    scenario: Scenario, step: int, num_decay_steps: int, min_lr_ratio: float
) -> float:
    decaying = step - (scenario.steps - num_decay_steps)
    return _half_cosine(min(1.0, max(0, decaying) / num_decay_steps), min_lr_ratio)


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
