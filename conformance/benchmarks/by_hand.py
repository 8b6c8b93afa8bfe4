"""The same training as a loop written by hand: what a step costs without a Trainer."""

from collections.abc import Iterator
from typing import Any

import torch

from .cases import Training
from .devices import Device
from .packed import Packed
from .windows import Stopwatch

LEARNING_RATE = 2e-4
CLIPPED = 1.0


def train(
    model: Any, data: Packed, training: Training, device: Device, stopwatch: Stopwatch
) -> float:
    """Train until the stopwatch has its windows; the last step's loss.

    ``model`` is as a Trainer left it: on the device, with its kernels and checkpointing.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, fused=device.name == "cuda")
    batches = _batches(data, training, device)
    model.train()
    while True:
        loss = torch.zeros((), device=device.torch)
        for _ in range(training.accumulation):
            with torch.autocast(device.name, dtype=torch.bfloat16):
                part = model(**next(batches)).loss / training.accumulation
            part.backward()
            loss += part.detach()
        torch.nn.utils.clip_grad_norm_(trained, CLIPPED)
        optimizer.step()
        optimizer.zero_grad()
        if stopwatch.step():
            return float(loss)


def _batches(data: Packed, training: Training, device: Device) -> Iterator[dict[str, Any]]:
    loader = torch.utils.data.DataLoader(
        data, training.batch, shuffle=True, drop_last=True, pin_memory=device.name == "cuda"
    )
    while True:
        for batch in loader:
            yield {
                name: tensor.to(device.torch, non_blocking=True) for name, tensor in batch.items()
            }
