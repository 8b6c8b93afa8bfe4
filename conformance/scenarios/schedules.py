"""The schedules of learning rates, and the further arguments that some are named with."""

from collections.abc import Mapping
from types import MappingProxyType

SCHEDULE_ARGUMENTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "cosine_with_restarts": {"num_cycles": 2},
        "polynomial": {"lr_end": 1e-4, "power": 2.0},
        "cosine_with_min_lr": {"min_lr_rate": 0.1},
        "cosine_warmup_with_min_lr": {"min_lr_rate": 0.1, "warmup_lr_rate": 0.2},
        "warmup_stable_decay": {"num_decay_steps": 2, "min_lr_ratio": 0.1},
    }
)
"""``lr_scheduler_kwargs`` that are not the defaults, so that passing them on shows."""

SCHEDULES = (
    "linear",
    "cosine",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    *SCHEDULE_ARGUMENTS,
)
"""All that depend on the step alone: the rate of those that follow a metric is no formula."""
