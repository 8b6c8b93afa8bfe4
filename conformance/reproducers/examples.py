"""Examples as plain values: an image or a sound is written as the seed that draws it."""

import random
from typing import Any

import torch

from conformance.running import data
from conformance.running.tasks import DATA, DRAWN_BELOW, Example
from conformance.scenarios import Scenario

SEEN_OR_HEARD = ("pixel_values", "input_features")
"""The columns that hold images and sounds."""


def trained(scenario: Scenario) -> list[Example]:
    """The examples trained on."""
    return _plain(scenario, data.training_examples(scenario), seed=1)


def evaluated(scenario: Scenario) -> list[Example]:
    """The examples that evaluations take."""
    return _plain(scenario, data.evaluation_examples(scenario), seed=2)


def probe(scenario: Scenario) -> list[Example]:
    """Three examples to compare by what models give for them."""
    return _plain(scenario, data.examples(scenario, 3, seed=3), seed=3)


def shape(scenario: Scenario) -> list[int]:
    """That of an image or a sound; empty for text."""
    first = data.examples(scenario, 1, seed=1)[0]
    return next((list(first[name].shape) for name in SEEN_OR_HEARD if name in first), [])


class _Noting(random.Random):
    """Notes what generators are seeded with."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seeds: list[int] = []

    def randrange(self, start: int, *rest: Any) -> int:
        """A number; seeds are told by their range."""
        drawn = super().randrange(start, *rest)
        if start == DRAWN_BELOW:
            self.seeds.append(drawn)
        return drawn


def _plain(scenario: Scenario, examples: list[Example], seed: int) -> list[Example]:
    """Copies, with each tensor replaced by the seed it was drawn from."""
    noting, draw = _Noting(seed), DATA[scenario.family.task].example
    if any(torch.is_tensor(value) for value in examples[0].values()):
        for _ in examples:
            draw(scenario.family, noting, scenario.varied_lengths)
    seeds = iter(noting.seeds)
    return [
        {name: next(seeds) if torch.is_tensor(value) else value for name, value in one.items()}
        for one in examples
    ]
