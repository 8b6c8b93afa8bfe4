"""The examples a scenario trains on, and how they become batches. Everything is seeded."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from conformance.scenarios import Scenario

from .tasks import DATA, IGNORED, Example

EVALUATION_EXAMPLES = 5
EVALUATION_BATCH = 2  # which does not divide the number of evaluation examples

EXTRA = "weight"  # a column that no model takes
TASKS = "task_ids"  # one that adapters of several tasks take, and no model by itself


def examples(scenario: Scenario, count: int, seed: int) -> list[Example]:
    """``count`` examples of the scenario's task."""
    draw, one = random.Random(seed), DATA[scenario.family.task].example
    return [one(scenario.family, draw, scenario.varied_lengths) for _ in range(count)]


def training_examples(scenario: Scenario) -> list[Example]:
    """The examples trained on; with companions, each is followed by one without labels."""
    drawn = examples(scenario, scenario.examples, seed=1)
    if scenario.extra_column:
        drawn = [{**example, EXTRA: number} for number, example in enumerate(drawn)]
    if not scenario.companions:
        return drawn
    return [one for example in drawn for one in (example, _companion(example))]


def training_dataset(scenario: Scenario) -> Any:
    """The same as the scenario hands them to the Trainer: a list, or an iterable dataset."""
    drawn = training_examples(scenario)
    return {"": list, "sized": SizedStream, "streamed": Stream}[scenario.iterable](drawn)


class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """Examples that can only be gone through, from the first to the last, time and again."""

    def __init__(self, drawn: Sequence[Example]) -> None:
        self.drawn = drawn

    def __iter__(self) -> Iterator[Example]:
        """One pass."""
        return iter(self.drawn)


class SizedStream(Stream):
    """The same with a length."""

    def __len__(self) -> int:
        """The examples of one pass."""
        return len(self.drawn)


class ShuffledStream(SizedStream):
    """The same, in an order that a generator of its own draws for each pass."""

    def __init__(self, drawn: Sequence[Example]) -> None:
        super().__init__(drawn)
        self.generator = torch.Generator()

    def __iter__(self) -> Iterator[Example]:
        """One pass."""
        order = torch.randperm(len(self.drawn), generator=self.generator)
        return (self.drawn[number] for number in order.tolist())


class Augmented(list[Example]):
    """Examples whose first token Python's generator draws anew whenever one is taken."""

    def __getitem__(self, index: Any) -> Any:
        """One example, its first token between 3 and 59."""
        example = super().__getitem__(index)
        drawn = [random.randrange(3, 60), *list(example["input_ids"])[1:]]
        return {**example, "input_ids": drawn}


def _companion(example: Example) -> Example:
    """The same length, other tokens, and no label that counts."""
    labels = example["labels"]
    ignored = [IGNORED] * len(labels) if isinstance(labels, list) else IGNORED
    return {"input_ids": example["input_ids"][::-1], "labels": ignored}


def evaluation_examples(scenario: Scenario) -> list[Example]:
    """`EVALUATION_EXAMPLES` that are not trained on."""
    return examples(scenario, EVALUATION_EXAMPLES, seed=2)


def probe(scenario: Scenario) -> dict[str, torch.Tensor]:
    """A fixed batch of three examples without labels, to compare what models give for it."""
    batch = collator(scenario)(examples(scenario, 3, seed=3))
    return {name: tensor for name, tensor in batch.items() if name not in scenario.task.labels}


def for_the_base(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The batch without what only an adapter takes, which a model without one may refuse."""
    return {name: tensor for name, tensor in batch.items() if name != TASKS}


def collator(scenario: Scenario) -> "Collator":
    """What makes batches of the scenario's examples."""
    return Collator(scenario.family.task, scenario.recipe.tasks)


class Collator:
    """Makes batches of a task's examples: see `conformance.running.tasks`.

    With ``tasks``, the number of those that a method learns at once, ``task_ids`` (int64, batch)
    as well: examples are dealt to them by length. ``columns`` are those it was handed.
    """

    def __init__(self, task: str, tasks: int = 0) -> None:
        self.task = task
        self.tasks = tasks
        self.columns: set[str] = set()

    def __call__(self, batch: Sequence[Example]) -> dict[str, torch.Tensor]:
        """One batch; see the class."""
        self.columns |= {name for example in batch for name in example}
        collated = DATA[self.task].collate(batch)
        if self.tasks:
            collated[TASKS] = collated["attention_mask"].sum(dim=1) % self.tasks
        return collated
