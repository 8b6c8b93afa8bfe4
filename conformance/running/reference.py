"""The oracle: the same training as a hand-written PyTorch loop.

Nothing of Transformers' training code is used: data order, loss, accumulation and clipping are
written out here, the optimizers and schedules in `optimizers` and `schedules`. Only the model's
forward pass (and peft's layers in it) is the libraries' own. Label smoothing: Szegedy et al.,
arXiv:1512.00567, as documented for `TrainingArguments`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from conformance.scenarios import Scenario

from . import build, data, placing
from .losses import counted, labels_of, summed_loss
from .observation import Tensors
from .optimizers import Optimizer
from .recorder import trainable_tensors
from .schedules import learning_rate
from .single import ADAPTER_SEED
from .tasks import Batch, Example

# How the loss of an optimizer step may be made. The first is what is documented; the others are
# mistakes that have names, so that a deviation can be told exactly.
DOCUMENTED = "the mean over all positions of the optimizer step"
UNDIVIDED = "the sum of the micro-batches' means, not divided by their number"
UNSHIFTED = "divided by a count that includes first positions, which nothing predicts"
AVERAGED = "the mean of the micro-batches' means, however many positions each has"
UNSMOOTHED = "not smoothed"
UNALIGNED = "smoothed against the labels where they stand, which are those of the position before"


def mistakes(scenario: Scenario) -> tuple[str, ...]:
    """The mistakes that can make a difference to a training."""
    smoothed, shifted = scenario.label_smoothing > 0, scenario.task.shifted
    possible = {
        UNDIVIDED: scenario.accumulation > 1,
        AVERAGED: scenario.accumulation > 1,
        UNSHIFTED: shifted,
        UNSMOOTHED: smoothed,
        UNALIGNED: smoothed and shifted,
    }
    return tuple(mistake for mistake, makes_one in possible.items() if makes_one)


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """One optimizer step of the reference; ``loss`` is a mean over labelled positions."""

    loss: float
    grad_norm: float
    learning_rate: float
    gradients: Tensors
    adapter: Tensors
    batches: tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Reference:
    """The whole reference training."""

    steps: tuple[ReferenceStep, ...]

    @property
    def training_loss(self) -> float:
        """The mean of the step losses."""
        return sum(step.loss for step in self.steps) / len(self.steps)


def train_by_hand(scenario: Scenario, scaling: str = DOCUMENTED) -> Reference:
    """Train the scenario without a Trainer, the loss scaled as ``scaling`` says.

    Not for scenarios that draw random numbers in the forward pass or group by length (their
    order is the library's own). Raises `ValueError` for those and for unknown optimizers.
    """
    grouped = scenario.sampling == "group_by_length" and not scenario.iterable
    if scenario.stochastic or grouped:
        raise ValueError(f"the reference loop cannot follow {scenario!r}")
    model = build.inject(scenario, build.base_model(scenario), ADAPTER_SEED)
    optimizer = Optimizer(scenario, model)
    steps: list[ReferenceStep] = []
    for window in _windows(scenario):
        if len(steps) == scenario.steps:
            break
        steps.append(_step(scenario, model, optimizer, window, number=len(steps), scaling=scaling))
    return Reference(tuple(steps))


def evaluate_by_hand(
    scenario: Scenario, adapter: Tensors, scaling: str = DOCUMENTED, batch_size: int = 0
) -> float:
    """The mean loss over the evaluation examples with these trained tensors, without dropout.

    For scenarios without varied lengths, where the mean over positions and rows is one. With a
    ``batch_size`` it is the mean of the batches' means: a shorter last one weighs too much.
    """
    model = build.inject(scenario, build.base_model(scenario), ADAPTER_SEED).eval()
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in adapter.items():
            parameters[name].copy_(tensor)
        examples = data.evaluation_examples(scenario)
        size = batch_size or len(examples)
        chunks = [examples[i : i + size] for i in range(0, len(examples), size)]
        means = [_evaluated(scenario, model, chunk, scaling) for chunk in chunks]
    return sum(means) / len(means)


def _evaluated(scenario: Scenario, model: Any, examples: list[Example], scaling: str) -> float:
    batch = placing.batch_for(model, data.collator(scenario)(examples))
    labels = labels_of(scenario.task, batch)
    loss = _loss(scenario, model(**_inputs(batch, labels)), labels, scaling)
    shifted = scenario.task.shifted and scaling != UNSHIFTED
    return float(loss) / counted(labels, shifted)


def _step(
    scenario: Scenario,
    model: Any,
    optimizer: Optimizer,
    window: list[Batch],
    *,
    number: int,
    scaling: str,
) -> ReferenceStep:
    losses = []
    for held, items in zip(window, _divisors(scenario, window, scaling), strict=True):
        batch = placing.batch_for(model, held)
        labels = labels_of(scenario.task, batch)
        loss = _loss(scenario, model(**_inputs(batch, labels)), labels, scaling) / items
        torch.autograd.backward(loss)
        losses.append(loss.item())
    named = model.named_parameters()
    gradients = {n: placing.kept(p.grad) for n, p in named if p.grad is not None}
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients.values()))
    rate = learning_rate(scenario, number)
    optimizer.step(rate, _clip(scenario, norm))
    return ReferenceStep(
        loss=sum(losses),
        grad_norm=norm,
        learning_rate=rate,
        gradients=gradients,
        adapter=trainable_tensors(model),
        batches=tuple(next(iter(batch.values())) for batch in window),
    )


def _inputs(batch: Batch, labels: Batch) -> Batch:
    return {name: tensor for name, tensor in batch.items() if name not in labels}


def _clip(scenario: Scenario, norm: float) -> float:
    """The factor on gradients: at most 1, so that the norm is at most ``max_grad_norm``."""
    if scenario.max_grad_norm == 0:
        return 1.0
    return min(1.0, scenario.max_grad_norm / (norm + 1e-6))


# ---- the data -------------------------------------------------------------------------------


def epoch_order(scenario: Scenario, epoch: int) -> list[int]:
    """The order of the examples in one epoch.

    Accelerate documents its seedable sampler as a permutation drawn from a generator seeded with
    seed plus epoch.
    """
    if scenario.sampling == "sequential" or scenario.iterable:
        return list(range(scenario.examples))
    generator = torch.Generator().manual_seed(scenario.seed + epoch)
    order: list[int] = torch.randperm(scenario.examples, generator=generator).tolist()
    return order


def _windows(scenario: Scenario) -> Iterator[list[Batch]]:
    """The micro-batches of each optimizer step, epoch after epoch, without end."""
    examples = data.training_examples(scenario)
    collate = data.Collator(scenario.family.task)
    epoch = 0
    while True:
        order = epoch_order(scenario, epoch)
        chunks = [
            order[i : i + scenario.batch_size] for i in range(0, len(order), scenario.batch_size)
        ]
        batches = [
            collate([examples[i] for i in chunk])
            for chunk in chunks
            if not (scenario.drop_last and len(chunk) < scenario.batch_size)
        ]
        for start in range(0, len(batches), scenario.accumulation):
            yield batches[start : start + scenario.accumulation]
        epoch += 1


# ---- the loss -------------------------------------------------------------------------------


def _divisors(scenario: Scenario, window: list[Batch], scaling: str) -> list[int]:
    """What each micro-batch's summed loss is divided by."""
    shifted = scenario.task.shifted and scaling != UNSHIFTED
    counts = [counted(labels_of(scenario.task, batch), shifted) for batch in window]
    if scaling == AVERAGED:
        return [count * len(window) for count in counts]
    return counts if scaling == UNDIVIDED else [sum(counts)] * len(window)


def _loss(scenario: Scenario, outputs: Any, labels: Batch, scaling: str) -> torch.Tensor:
    shifted = scenario.task.shifted and scaling != UNALIGNED
    smoothing = 0.0 if scaling == UNSMOOTHED else scenario.label_smoothing
    return summed_loss(scenario, outputs, labels, shifted, smoothing)
