"""The examples a scenario trains on, and how they become batches. Everything is seeded."""

import random
from collections.abc import Sequence

import torch

from conformance.scenarios import Scenario

from .tasks import DATA, IGNORED, Example


def examples(scenario: Scenario, count: int, seed: int) -> list[Example]:
    """``count`` examples of the scenario's task."""
    draw, one = random.Random(seed), DATA[scenario.family.task].example
    return [one(scenario.family, draw, scenario.varied_lengths) for _ in range(count)]


def training_examples(scenario: Scenario) -> list[Example]:
    """The examples trained on; with companions, each is followed by one without labels."""
    drawn = examples(scenario, scenario.examples, seed=1)
    if not scenario.companions:
        return drawn
    return [one for example in drawn for one in (example, _companion(example))]


def _companion(example: Example) -> Example:
    """The same length, other tokens, and no label that counts."""
    labels = example["labels"]
    ignored = [IGNORED] * len(labels) if isinstance(labels, list) else IGNORED
    return {"input_ids": example["input_ids"][::-1], "labels": ignored}


def evaluation_examples(scenario: Scenario) -> list[Example]:
    """Five examples that are not trained on."""
    return examples(scenario, 5, seed=2)


def probe(scenario: Scenario) -> dict[str, torch.Tensor]:
    """A fixed batch of three examples without labels, to compare what models give for it."""
    batch = Collator(scenario.family.task)(examples(scenario, 3, seed=3))
    return {name: tensor for name, tensor in batch.items() if name not in scenario.task.labels}


class Collator:
    """Makes batches of a task's examples: see `conformance.running.tasks`."""

    def __init__(self, task: str) -> None:
        self.task = task

    def __call__(self, batch: Sequence[Example]) -> dict[str, torch.Tensor]:
        """One batch; see the class."""
        return DATA[self.task].collate(batch)
