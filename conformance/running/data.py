"""The examples a scenario trains on, and how they become batches. Everything is seeded."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch

from conformance.scenarios import Scenario

IGNORED = -100
SHORTEST, LONGEST = 5, 12
EVALUATION_BATCH = 2  # which does not divide the number of evaluation examples
FIRST_TOKEN = 3  # 0 to 2 are padding, begin and end

Example = dict[str, Any]


def examples(scenario: Scenario, count: int, seed: int) -> list[Example]:
    """``count`` examples: dictionaries of lists of token ids (a class label for classifiers)."""
    draw = random.Random(seed)
    return [_example(scenario, draw) for _ in range(count)]


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
    """A fixed batch of three examples without labels, to compare logits on."""
    batch = Collator(scenario.family.task)(examples(scenario, 3, seed=3))
    del batch["labels"]
    return batch


def _example(scenario: Scenario, draw: random.Random) -> Example:
    config = scenario.family.config
    length = draw.randint(SHORTEST, LONGEST) if scenario.varied_lengths else LONGEST
    tokens = _tokens(draw, length, config["vocab_size"])
    task = scenario.family.task
    if task == "sequence-classification":
        return {"input_ids": tokens, "labels": draw.randrange(config["num_labels"])}
    if task == "seq2seq-lm":
        answer = draw.randint(3, 8) if scenario.varied_lengths else 8
        return {"input_ids": tokens, "labels": _tokens(draw, answer, config["vocab_size"])}
    prompt = draw.randint(0, 3) if scenario.varied_lengths else 0
    return {"input_ids": tokens, "labels": [IGNORED] * prompt + tokens[prompt:]}


def _tokens(draw: random.Random, count: int, vocabulary: int) -> list[int]:
    return [draw.randrange(FIRST_TOKEN, vocabulary) for _ in range(count)]


class Collator:
    """Pads to the longest of the batch: token 0, mask 0, label -100.

    Returns ``input_ids``, ``attention_mask`` and ``labels`` (int64, batch x length; labels of
    classifiers: batch), and for encoder-decoders ``decoder_input_ids``: the labels shifted right
    behind token 0, as `DataCollatorForSeq2Seq` makes them.
    """

    def __init__(self, task: str) -> None:
        self.task = task

    def __call__(self, batch: Sequence[Example]) -> dict[str, torch.Tensor]:
        """One batch; see the class."""
        tokens = _pad([example["input_ids"] for example in batch], 0)
        mask = _pad([[1] * len(example["input_ids"]) for example in batch], 0)
        collated = {"input_ids": tokens, "attention_mask": mask}
        if self.task == "sequence-classification":
            return {**collated, "labels": torch.tensor([example["labels"] for example in batch])}
        labels = _pad([example["labels"] for example in batch], IGNORED)
        if self.task == "seq2seq-lm":
            collated["decoder_input_ids"] = _shift_right(labels)
        return {**collated, "labels": labels}


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def _shift_right(labels: torch.Tensor) -> torch.Tensor:
    start = labels.new_zeros(labels.shape[0], 1)
    return torch.cat([start, labels[:, :-1]], dim=1).masked_fill_(labels == IGNORED, 0)


def custom_loss(scenario: Scenario) -> Callable[..., torch.Tensor]:
    """A `compute_loss_func` unlike any built-in loss: squared logits, a mean over the items.

    What it returns takes ``num_items_in_batch``, the number of labelled positions of the whole
    optimizer step; without it (evaluation) the mean is over this batch.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        squares = outputs["logits"].float().square().mean(dim=-1)
        if scenario.family.task == "causal-lm":
            squares, labels = squares[:, :-1], labels[:, 1:]
        kept = labels.ne(IGNORED)
        items = kept.sum() if num_items_in_batch is None else num_items_in_batch
        total: torch.Tensor = (squares * kept).sum() / items
        return total

    return loss
