"""What evaluations are told to measure: a `compute_metrics` that tells what it was handed, in a few
numbers, and a `preprocess_logits_for_metrics` that needs the labels.
"""

from typing import Any

import torch

from .tasks import IGNORED


def measured(handed: Any) -> dict[str, float]:
    """How many rows there are, and labels that count; sums of these, of these by the row's number,
    and of what the model gives at them, as it is and in absolute value.
    """
    labels = handed.label_ids
    counted = labels != IGNORED
    logits = handed.predictions[counted].astype("float64")
    rows = [int(row[kept].sum()) for row, kept in zip(labels, counted, strict=True)]
    return {
        "rows": len(rows),
        "counted": int(counted.sum()),
        "labels": sum(rows),
        "order": sum(number * total for number, total in enumerate(rows, 1)),
        "logits": float(logits.sum()),
        "sizes": float(abs(logits).sum()),
    }


def at_the_labels(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """What the model gives for each label: (rows, length, classes), (rows, length) to the latter.

    Where a label is ignored, what it gives for class 0.
    """
    return logits.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
