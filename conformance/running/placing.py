"""What is put onto the device that is trained on, and what is read back from it.

Models and batches go there; whatever an observation keeps lies on the CPU, so that what judges it
need not know where it came from. On a CPU nothing here copies or changes anything else.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch

from conformance import device
from conformance.compat import Unavailable


def on_cpu() -> bool:
    """Whether trainings run on the CPU."""
    return device.chosen() == device.CPU


def kind() -> str:
    """The device's name, as autocast takes it."""
    return device.chosen()


def placed(model: Any) -> Any:
    """A model on the device; one that was quantized is there already."""
    if on_cpu() or getattr(model, "is_quantized", False):
        return model
    return model.to(kind())


def batch_for(model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch where the model's parameters lie."""
    place = next(iter(model.parameters())).device
    return {name: tensor.to(place) for name, tensor in batch.items()}


def kept(tensor: torch.Tensor) -> torch.Tensor:
    """A detached copy on the CPU, which nothing changes any more."""
    tensor = tensor.detach()
    return tensor.clone() if tensor.device.type == "cpu" else tensor.cpu()


def random_state() -> bytes:
    """The states of all generators that a training's own draws come from."""
    states = [torch.get_rng_state()]
    if not on_cpu():
        states.append(torch.cuda.get_rng_state())
    return b"".join(state.numpy().tobytes() for state in states)


def forked_generators() -> AbstractContextManager[None]:
    """What is drawn inside leaves the generators, the device's too, as they were before."""
    return torch.random.fork_rng(devices=[] if on_cpu() else [torch.cuda.current_device()])


def settle() -> None:
    """Ask torch for the same results each time, where it has a way that gives them."""
    if not on_cpu():
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def require_cards(processes: int) -> None:
    """Raise `Unavailable` where there are fewer cards than processes: NCCL gives each its own."""
    from conformance.cards import count

    if not on_cpu() and (found := count()) < processes:
        raise Unavailable(f"{processes} processes need as many cards, there are {found}")


def forget_peak() -> None:
    """What a card holds at most counts from now on."""
    if not on_cpu():
        torch.cuda.reset_peak_memory_stats()


def peak(name: str) -> dict[str, int]:
    """Under this name the bytes that a card held at most; nothing on a CPU."""
    return {} if on_cpu() else {name: torch.cuda.max_memory_allocated()}
