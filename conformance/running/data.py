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
    batch = collator(scenario)(examples(scenario, 3, seed=3))
    return {name: tensor for name, tensor in batch.items() if name not in scenario.task.labels}


def collator(scenario: Scenario) -> "Collator":
    """What makes batches of the scenario's examples."""
    return Collator(scenario.family.task, scenario.recipe.tasks)


class Collator:
    """Makes batches of a task's examples: see `conformance.running.tasks`.

    With ``tasks``, the number of those that a method learns at once, ``task_ids`` (int64, batch)
    as well: examples are dealt to them by length.
    """

    def __init__(self, task: str, tasks: int = 0) -> None:
        self.task = task
        self.tasks = tasks

    def __call__(self, batch: Sequence[Example]) -> dict[str, torch.Tensor]:
        """One batch; see the class."""
        collated = DATA[self.task].collate(batch)
        if self.tasks:
            collated["task_ids"] = collated["attention_mask"].sum(dim=1) % self.tasks
        return collated
