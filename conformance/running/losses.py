"""The loss of each task, written out independently of the libraries."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from conformance.scenarios import Scenario, Task

from .tasks import IGNORED, Batch


def answers(outputs: Any) -> torch.Tensor:
    """What a model gives for its labels, whatever its outputs are called; several side by side."""
    for names in (("logits",), ("start_logits", "end_logits"), ("last_hidden_state",)):
        if all(name in outputs for name in names):
            return torch.cat([outputs[name] for name in names], dim=-1)
    raise ValueError(f"outputs of no known task: {sorted(outputs)}")


def labels_of(task: Task, batch: Batch) -> Batch:
    """The labels in a batch, by name."""
    return {name: batch[name] for name in task.labels}


def counted(labels: Batch, shifted: bool) -> int:
    """The number of labels that count; those of causal models do from the second position on."""
    return sum(
        int(((tensor[:, 1:] if shifted else tensor) != IGNORED).sum()) for tensor in labels.values()
    )


def summed_loss(
    scenario: Scenario, outputs: Any, labels: Batch, shifted: bool, smoothing: float
) -> torch.Tensor:
    """The loss of one micro-batch, summed over the labels that count.

    Cross-entropy against ``1 - smoothing`` on the label plus ``smoothing`` spread evenly over all
    classes; of spans, over first and last positions together. Where labels are ``shifted`` each
    position predicts the next one's. Vectors: squared errors of the first position.
    """
    given = loss_function(scenario)
    if given is not None:
        (only,) = labels.values()
        return given(outputs, only, 1)
    return torch.stack(
        [
            _cross_entropy(outputs[output], tensor, shifted, smoothing)
            for output, tensor in zip(scenario.task.outputs, labels.values(), strict=True)
        ]
    ).sum()


def _cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, shifted: bool, smoothing: float
) -> torch.Tensor:
    if shifted:
        logits, labels = logits[:, :-1], labels[:, 1:]
    kept = labels != IGNORED
    picked, targets = logits[kept].float(), labels[kept]
    loss = functional.cross_entropy(picked, targets, reduction="sum")
    if not smoothing:
        return loss
    even = -functional.log_softmax(picked, dim=-1).mean(dim=-1).sum()
    return (1 - smoothing) * loss + smoothing * even


def loss_function(scenario: Scenario) -> Callable[..., torch.Tensor] | None:
    """The `compute_loss_func` that the Trainer is given, if it is given one.

    What it returns takes ``num_items_in_batch``, the number of labels that count in the whole
    optimizer step; without it (evaluation) the mean is over this batch.
    """
    if not scenario.task.of_its_own:
        return _squared_error
    return _custom_loss(scenario.task) if scenario.custom_loss else None


def _custom_loss(task: Task) -> Callable[..., torch.Tensor]:
    """A loss unlike any built-in one: squared logits, a mean over the items."""

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        squares = outputs["logits"].float().square().mean(dim=-1)
        if task.shifted:
            squares, labels = squares[:, :-1], labels[:, 1:]
        kept = labels.ne(IGNORED)
        items = kept.sum() if num_items_in_batch is None else num_items_in_batch
        total: torch.Tensor = (squares * kept).sum() / items
        return total

    return loss


def _squared_error(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None
) -> torch.Tensor:
    squares: torch.Tensor = (outputs["last_hidden_state"][:, 0] - labels).square()
    items = labels.numel() if num_items_in_batch is None else num_items_in_batch
    return squares.sum() / items
