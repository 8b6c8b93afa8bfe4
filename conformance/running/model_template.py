"""Copying one model many times: a training begins with a copy, and `copy.deepcopy` is six times
slower.
"""

import io
import pickle
from typing import Any

import torch


class ModelTemplate:
    """What copies of ``model`` are made from; shared tensors are shared in each copy as well."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._tensors: list[torch.Tensor] = []
        written = io.BytesIO()
        _Pickler(written, self._tensors).dump(model)
        self._pickled = written.getvalue()

    def copy(self) -> Any:
        """A copy that shares no tensor with any other."""
        return _Unpickler(io.BytesIO(self._pickled), self._tensors).load()


class _Pickler(pickle.Pickler):
    """Leaves tensors out, whose own way through a pickle is slow."""

    def __init__(self, file: io.BytesIO, tensors: list[torch.Tensor]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._tensors = tensors
        self._numbers: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> int | None:
        if not isinstance(obj, torch.Tensor):
            return None
        if id(obj) not in self._numbers:
            self._numbers[id(obj)] = len(self._tensors)
            self._tensors.append(obj)
        return self._numbers[id(obj)]


class _Unpickler(pickle.Unpickler):
    """Puts a copy in the place of each tensor."""

    def __init__(self, file: io.BytesIO, tensors: list[torch.Tensor]) -> None:
        super().__init__(file)
        self._tensors = tensors
        self._copies: dict[int, torch.Tensor] = {}

    def persistent_load(self, pid: int) -> torch.Tensor:
        if pid not in self._copies:
            tensor = self._tensors[pid]
            copied = tensor.detach().clone()
            parameter = isinstance(tensor, torch.nn.Parameter)
            self._copies[pid] = (
                torch.nn.Parameter(copied, tensor.requires_grad) if parameter else copied
            )
        return self._copies[pid]
