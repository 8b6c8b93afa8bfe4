"""One measurement in this process: a training by the Trainer and by hand, in turns.

What it finds is plain data: ``figures`` are numbers and short strings, ``samples`` lists of seconds
a step, one for each window.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from conformance.redacting import redacted

from . import by_hand, by_trainer, flops
from .cases import PYTHON, Training, shape
from .devices import Device
from .models import kernels, model
from .packed import Packed
from .windows import SHORTEST, WARM_UP, Stopwatch

TRAINER, HAND = "trainer", "hand"
TURNS = (TRAINER, HAND, HAND, TRAINER)
"""So that a card that grows warm, or slow, does so for both alike."""
LAUNCHED = (TRAINER, TRAINER)
"""The hand-written loop is one process's."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured, and how long; ``windows`` for each of the two loops."""

    training: Training
    device: str
    windows: int = 30
    warm_up: int = WARM_UP
    shortest: float = SHORTEST

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Order":
        """The order that `to_json` described."""
        return cls(**{**data, "training": Training(**data["training"])})


@dataclass(slots=True)
class Measured:
    """What one measurement found; with ``full`` (numbers and words) it ran out of memory."""

    figures: dict[str, float | int | str] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    full: dict[str, float | int | str] = field(default_factory=dict)


def measure(order: Order, folder: Path | None = None) -> Measured:
    """Measure; running out of the device's memory is a finding, and nothing else is caught.

    Checkpoints go below ``folder``, which the processes of a launch share.
    """
    found = Measured()
    try:
        if folder is not None:
            _measure(order, found, folder)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                _measure(order, found, Path(scratch))
    except torch.OutOfMemoryError as error:
        device = Device(order.device)
        words = " ".join(redacted(str(error)).split())[:300]
        found.full = {"message": words, "batch": order.training.batch, **device.held()}
        found.full |= device.peak()
    return found


def _measure(order: Order, found: Measured, folder: Path) -> None:
    training, device = order.training, Device(order.device)
    asked = kernels(training, device)
    trained = model(training, device, asked)
    data = Packed(2**20, training.sequence, _vocabulary(training))
    found.figures |= _about(trained, training, data, asked.words)
    device.forget_peak()
    before = _trained(trained)
    for turn, last in _turns(training):
        watch = Stopwatch(
            order.windows // 2,
            device.synchronise,
            warm_up=order.warm_up,
            shortest=order.shortest,
            agree=device.agreed,
        )
        if turn == TRAINER:
            seen = by_trainer.train(
                *(trained, data, training, device, watch),
                folder=folder,
                asked=asked.trainer,
                saving=last,
            )
            found.figures |= _of_trainer(seen, device, last)
        else:
            found.figures["loss_by_hand"] = by_hand.train(trained, data, training, device, watch)
        found.samples.setdefault(turn, []).extend(watch.samples)
        found.figures[f"steps_a_window_{turn}"] = watch.per_window
    found.figures["moved"] = _moved(before, trained)


def _turns(training: Training) -> Iterator[tuple[str, bool]]:
    turns = TURNS if training.launch == PYTHON else LAUNCHED
    for number, turn in enumerate(turns):
        yield turn, number == len(turns) - 1


def _vocabulary(training: Training) -> int:
    return int(shape(training.shape).config["vocab_size"])


def _about(trained: Any, training: Training, data: Packed, words: str) -> dict[str, Any]:
    weights = flops.weights_of(trained)
    layers, width = flops.attention_of(trained.config)
    return {
        "kernels": words,
        "attention": str(trained.config._attn_implementation),
        "batch": training.batch,
        "accumulation": training.accumulation,
        "sequence": training.sequence,
        "launch": training.launch,
        "processed_a_step": training.rows * training.sequence,
        "supervised_a_step": training.rows * data.supervised,
        "frozen_matrix_weights": weights.frozen,
        "trained_matrix_weights": weights.trained,
        "trained_parameters": sum(p.numel() for p in trained.parameters() if p.requires_grad),
        "flops_a_token": flops.per_token(
            weights, layers=layers, width=width, sequence=training.sequence
        ),
        "formula": flops.FORMULA,
    }


def _of_trainer(seen: by_trainer.Trained, device: Device, last: bool) -> dict[str, Any]:
    found: dict[str, Any] = {**device.peak(), "world_size": seen.world_size}
    if seen.losses:
        found["loss"] = seen.losses[-1]
    if last:
        found["checkpoint_seconds"] = seen.checkpoint_seconds
        found["checkpoint_bytes"] = seen.checkpoint_bytes
    return found


def _trained(model: Any) -> list[tuple[str, float]]:
    """A sum over each trained tensor, by which one sees that it moved."""
    named = model.named_parameters()
    return [(n, float(p.detach().double().abs().sum())) for n, p in named if p.requires_grad]


def _moved(before: list[tuple[str, float]], model: Any) -> int:
    """How many of the trained tensors are not what they were."""
    return sum(old != new for (_, old), (_, new) in zip(before, _trained(model), strict=True))
