"""How the fields of a scenario are called in its id, which is the same everywhere."""

from collections.abc import Iterable
from typing import Any

_SHORT = {
    "batch_size": "batch",
    "accumulation": "acc",
    "learning_rate": "lr",
    "weight_decay": "decay",
    "max_grad_norm": "clip",
    "label_smoothing": "smooth",
    "warmup_steps": "warmup",
    "varied_lengths": "varied",
    "remove_unused_columns": "strip",
    "auto_batch_size": "auto",
    "extra_column": "extra",
    "count_tokens": "tokens",
    "average_tokens": "averaged",
    "base_dtype": "base",
    "autocast_adapter": "autocast",
    "use_orig_params": "orig",
}


def named(fields: Iterable[tuple[str, Any]]) -> list[str]:
    """Each field's short name with its value."""
    return [f"{_SHORT.get(name, name)}={_plain(value)}" for name, value in fields]


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
