"""Packed data of a fixed shape: every row is full, and the first part of each has no labels."""

from typing import Any

import torch

UNLABELLED = 0.25
"""The share of each row that is a prompt, so that processed and supervised tokens differ."""


class Packed(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Rows of random tokens (int64, ``sequence``), drawn from a seed and a row's number alone."""

    def __init__(self, rows: int, sequence: int, vocabulary: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.drawn = torch.randint(vocabulary, (min(rows, 64), sequence), generator=generator)
        self.rows = rows
        self.unlabelled = int(UNLABELLED * sequence)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        ids = self.drawn[row % len(self.drawn)]
        labels = ids.clone()
        labels[: self.unlabelled] = -100
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    @property
    def supervised(self) -> int:
        """Tokens of a row that something predicts and that have a label."""
        length = self.drawn.shape[1]
        return length - max(1, self.unlabelled)
