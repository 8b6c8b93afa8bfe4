"""Callbacks for single tests, which hook into the model when training begins."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from transformers import TrainerCallback

TOO_MUCH = 2**52  # bytes that no machine has


@dataclass(frozen=True, slots=True)
class Embedded:
    """One call of the token embedding: in which mode, what came out, what its table holds."""

    training: bool
    got: torch.Tensor
    clean: torch.Tensor


class EmbeddingWatcher(TrainerCallback):  # type: ignore[misc]
    """Keeps what token embeddings give, after all other hooks, and the modules themselves.

    Encoder-decoders may have several modules that share one table.
    """

    def __init__(self) -> None:
        self.seen: list[Embedded] = []
        self.modules: list[Any] = []
        self.handles: list[Any] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """Hooks of the Trainer's are there already; this one comes after them."""
        model = seen["model"]
        table = model.get_input_embeddings().weight
        self.modules = [m for m in model.modules() if getattr(m, "weight", None) is table]
        embeddings = [m for m in self.modules if isinstance(m, torch.nn.Embedding)]
        self.handles = [module.register_forward_hook(self._look) for module in embeddings]

    def on_train_end(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """Nothing of this one is left behind."""
        for handle in self.handles:
            handle.remove()

    def _look(self, module: Any, inputs: Any, output: torch.Tensor) -> None:
        clean = module.weight[inputs[0]].detach().clone()
        self.seen.append(Embedded(module.training, output.detach().clone(), clean))


class RateWatcher(TrainerCallback):  # type: ignore[misc]
    """Keeps the learning rate that each optimizer step is taken with."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """The rate as it stands before the step."""
        self.rates.append(float(seen["optimizer"].param_groups[0]["lr"]))


class AtTheEnd(TrainerCallback):  # type: ignore[misc]
    """Looks at the model when training has ended; ``seen`` is what it saw."""

    def __init__(self, look: Callable[[Any], Any]) -> None:
        self.look = look
        self.seen: Any = None

    def on_train_end(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """One look."""
        self.seen = self.look(seen["model"])


class Dice(TrainerCallback):  # type: ignore[misc]
    """Draws from Python's and numpy's generators before each step, as augmentations do."""

    def __init__(self) -> None:
        self.drawn: dict[int, tuple[float, float]] = {}

    def on_step_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """One number of each, by the number of the step."""
        self.drawn[state.global_step + 1] = (random.random(), float(numpy.random.rand()))


class ShortOfMemory(TrainerCallback):  # type: ignore[misc]
    """Lets no forward pass of more than ``rows`` rows through, from a step on: memory runs out.

    The error is torch's own: more memory is asked for than any machine has.
    """

    def __init__(self, rows: int, from_step: int = 0) -> None:
        self.rows = rows
        self.from_step = from_step
        self.steps = 0
        self.hooked = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """Hook into the model once: a second attempt trains the same model."""
        self.steps = 0
        if not self.hooked:
            seen["model"].register_forward_pre_hook(self._allocate, with_kwargs=True)
            self.hooked = True

    def on_step_end(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """Count optimizer steps."""
        self.steps += 1

    def _allocate(self, module: Any, arguments: Any, named: dict[str, Any]) -> None:
        if module.training and self.steps >= self.from_step and self._rows(named) > self.rows:
            torch.empty(TOO_MUCH, dtype=torch.uint8)

    @staticmethod
    def _rows(named: dict[str, Any]) -> int:
        return len(named["input_ids"])


class _Held:
    """A tensor that autograd holds on to; tells its keeper when it comes and goes."""

    def __init__(self, tensor: torch.Tensor, keeper: "HeldForBackward") -> None:
        self.tensor = tensor
        self.keeper = keeper
        self.size = 0 if tensor.is_leaf else tensor.numel() * tensor.element_size()
        keeper.count(self.size)

    def __del__(self) -> None:
        self.keeper.count(-self.size)


class HeldForBackward:
    """A context that measures what autograd holds for backward passes: ``peak`` in bytes.

    Leaves (weights, inputs) are there anyway and do not count; a tensor that several operations
    hold counts once for each.
    """

    def __init__(self) -> None:
        self.now = 0
        self.peak = 0
        self.hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: _Held(tensor, self), lambda held: held.tensor
        )

    def __enter__(self) -> "HeldForBackward":
        self.hooks.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.hooks.__exit__(*error)

    def count(self, size: int) -> None:
        """So many bytes more are held, or less."""
        self.now += size
        self.peak = max(self.peak, self.now)
