"""What a training has counted: tokens and operations, over all of its processes."""

import math

import torch

from conformance.running import build
from conformance.running.observation import Observation

KEYS = {"all": "input_ids", "non_padding": "attention_mask"}


def tokens(observation: Observation, counted: str = "all") -> list[int]:
    """The tokens trained on up to each step, in all ranks; of an encoder's input where it has one.

    ``counted`` is what `TrainingArguments.include_num_input_tokens_seen` is told.
    """
    ranks = [_tokens(seen, counted) for seen in observation.ranks or (observation,)]
    return [sum(step) for step in zip(*ranks, strict=True)]


def _tokens(observation: Observation, counted: str) -> list[int]:
    counts, total = [], 0
    for step in observation.steps:
        for micro in step.micro_batches:
            held = micro.inputs[KEYS[counted]]
            total += held.numel() if counted == "all" else int(held.sum())
        counts.append(total)
    return counts


def operations(observation: Observation) -> dict[int, int]:
    """The floating-point operations up to each step, by its number: six for each token trained on
    and each parameter outside embeddings.
    """
    size = _parameters_outside_embeddings(observation)
    numbers = [step.number for step in observation.steps]
    return {n: 6 * size * count for n, count in zip(numbers, tokens(observation), strict=True)}


def _parameters_outside_embeddings(observation: Observation) -> int:
    modules = build.base_model(observation.scenario).named_modules()
    embeddings = {f"{name}.weight" for name, m in modules if isinstance(m, torch.nn.Embedding)}
    held = observation.parameters_before.items()
    return sum(math.prod(p.shape) for n, p in held if build.base_name(n) not in embeddings)


def examples(observation: Observation) -> int:
    """The examples trained on, in all ranks."""
    return sum(
        len(micro.inputs["input_ids"])
        for seen in observation.ranks or (observation,)
        for step in seen.steps
        for micro in step.micro_batches
    )
