"""Optimizers, written out from the papers and the documentation they are named after.

AdamW: Loshchilov and Hutter, arXiv:1711.05101. Adafactor: Shazeer and Stern, arXiv:1804.04235,
with the external rate that `TrainingArguments` chooses. Adagrad and RMSprop:
https://docs.pytorch.org/docs/stable/optim.html
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from conformance.scenarios import Scenario

BETAS, EPSILON = (0.9, 0.999), 1e-8
RMSPROP_ALPHA, ADAGRAD_EPSILON = 0.99, 1e-10
FACTORED_EPSILON, FACTORED_DECAY = 1e-30, -0.8

State = dict[str, torch.Tensor]


def decayed(model: Any) -> set[str]:
    """The trainable parameters that weight decay reaches: all but biases and those of norms."""
    normed = {
        name for name, module in model.named_modules() if "norm" in type(module).__name__.lower()
    }
    named = (name for name, parameter in model.named_parameters() if parameter.requires_grad)
    return {n for n in named if "bias" not in n and n.rpartition(".")[0] not in normed}


class Optimizer:
    """The scenario's optimizer. Raises `ValueError` for one that is not written out here.

    Decay shrinks the weights themselves, but for Adagrad and RMSprop: there it joins the gradient.
    """

    def __init__(self, scenario: Scenario, model: Any) -> None:
        if scenario.optimizer not in DIRECTIONS:
            raise ValueError(f"the reference loop has no optimizer {scenario.optimizer!r}")
        self.direction = DIRECTIONS[scenario.optimizer]
        self.coupled = scenario.optimizer in ("adagrad", "rmsprop")
        self.decay = scenario.weight_decay
        self.decayed = decayed(model)
        self.named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.states: dict[str, State] = {name: {} for name in self.named}
        self.taken = 0

    @torch.no_grad()
    def step(self, rate: float, factor: float) -> None:
        """One step at learning rate ``rate`` with gradients scaled by ``factor``."""
        self.taken += 1
        for name, parameter in self.named.items():
            if parameter.grad is None:
                continue
            gradient = parameter.grad * factor
            decay = self.decay if name in self.decayed else 0.0
            if self.coupled:
                gradient = gradient + decay * parameter
            else:
                parameter.mul_(1 - rate * decay)
            parameter.sub_(rate * self.direction(self.states[name], gradient, self.taken))
            parameter.grad = None


def _descent(_: State, gradient: torch.Tensor, __: int) -> torch.Tensor:
    return gradient


def _adam(state: State, gradient: torch.Tensor, taken: int) -> torch.Tensor:
    one, two = BETAS
    first = _average(state, "first", gradient, one)
    second = _average(state, "second", gradient.square(), two)
    return first / (1 - one**taken) / ((second / (1 - two**taken)).sqrt() + EPSILON)


def _adagrad(state: State, gradient: torch.Tensor, _: int) -> torch.Tensor:
    state["sum"] = state.get("sum", torch.zeros_like(gradient)) + gradient.square()
    return gradient / (state["sum"].sqrt() + ADAGRAD_EPSILON)


def _rmsprop(state: State, gradient: torch.Tensor, _: int) -> torch.Tensor:
    squares = _average(state, "squares", gradient.square(), RMSPROP_ALPHA)
    return gradient / (squares.sqrt() + EPSILON)


def _adafactor(state: State, gradient: torch.Tensor, taken: int) -> torch.Tensor:
    """Without a first moment; the update's root mean square is held at 1."""
    keep = 1 - taken**FACTORED_DECAY
    squares = gradient.square() + FACTORED_EPSILON
    if gradient.dim() < 2:
        scale = _average(state, "squares", squares, keep).rsqrt()
    else:
        rows = _average(state, "rows", squares.mean(dim=-1), keep)
        columns = _average(state, "columns", squares.mean(dim=-2), keep)
        rows = rows / rows.mean(dim=-1, keepdim=True)
        scale = rows.rsqrt().unsqueeze(-1) * columns.rsqrt().unsqueeze(-2)
    update = gradient * scale
    return update / max(1.0, update.square().mean().sqrt().item())


def _average(state: State, name: str, value: torch.Tensor, keep: float) -> torch.Tensor:
    """The running average under ``name``, which starts at zero, with one value more."""
    state[name] = keep * state.get(name, torch.zeros_like(value)) + (1 - keep) * value
    return state[name]


DIRECTIONS: Mapping[str, Callable[[State, torch.Tensor, int], torch.Tensor]] = {
    "sgd": _descent,
    "adamw_torch": _adam,
    "adamw_torch_fused": _adam,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adafactor": _adafactor,
}
"""By the name in ``TrainingArguments.optim``: state, gradient and steps taken to the way to go."""
