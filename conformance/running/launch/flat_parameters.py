"""FSDP 1 without `use_orig_params`: the parameters that are hidden in flat ones.

Modules hold, and the optimizer steps, one flat parameter for each unit, of which every rank holds a
part as long as the others'. `Part` stands for an original parameter, or for what belongs to it of
something as long as a flat one. Reading it whole is collective: all ranks have to, in one order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Optional

import torch
from torch import distributed


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What an original parameter named ``name`` within its unit is of a flat one.

    ``held`` is another tensor as long as that one, and in its stead: gradients, moments.
    """

    name: str
    flat: Any
    start: int
    shape: torch.Size
    held: torch.Tensor | None = None

    @property
    def requires_grad(self) -> bool:
        """Whether the flat parameter is trained."""
        return bool(self.flat.requires_grad)

    @property
    def grad(self) -> Optional["Part"]:
        """This parameter's part of the flat gradient, where there is one."""
        return None if self.flat.grad is None else self.of(self.flat.grad)

    def of(self, tensor: torch.Tensor) -> "Part":
        """This parameter's part of a tensor that is as long as the flat one."""
        return replace(self, held=tensor)

    def detach(self) -> "Part":
        """Itself: nothing is differentiated through it."""
        return self

    def numel(self) -> int:
        """The elements of it that this rank holds, as long as nothing is gathered."""
        here: int = self.flat.numel()
        first = distributed.get_rank() * here
        end = min(self.start + self.shape.numel(), first + here)
        return max(0, end - max(self.start, first))

    def full_tensor(self) -> torch.Tensor:
        """The values, whole; none are exchanged where this rank holds all of the flat one."""
        values = (self.flat if self.held is None else self.held).detach()
        if values.numel() < self.flat._unpadded_unsharded_size.numel():
            parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
            distributed.all_gather(parts, values.contiguous())
            values = torch.cat(parts)
        return values.flatten()[self.start : self.start + self.shape.numel()].view(self.shape)


def is_flat(model: Any) -> bool:
    """Whether a model is wrapped by FSDP 1 and hides its parameters."""
    return not getattr(model, "_use_orig_params", True)


def parts(name: str, parameter: Any) -> Iterator[tuple[str, Any]]:
    """A parameter by its name, or in the stead of a flat one those that are hidden in it."""
    if not hasattr(parameter, "_numels_with_padding"):
        yield name, parameter
        return
    prefix = name.rpartition(".")[0]
    numels = parameter._numels_with_padding
    begins = (total - size for total, size in zip(accumulate(numels), numels, strict=True))
    kept = [at for at, pad in zip(begins, parameter._is_padding_mask, strict=True) if not pad]
    for start, shape, own in zip(kept, parameter._shapes, parameter._fqns, strict=True):
        yield f"{prefix}.{own}" if prefix else own, Part(own, parameter, start, shape)


def members(given: Sequence[Any], parameters: Mapping[str, Any]) -> list[tuple[Any, list[Any]]]:
    """Each of an optimizer's parameters with the model's that are hidden in it, or with itself."""
    hidden: dict[int, list[Any]] = {}
    for one in parameters.values():
        if isinstance(one, Part):
            hidden.setdefault(id(one.flat), []).append(one)
    return [(parameter, hidden.get(id(parameter), [parameter])) for parameter in given]


def state(
    held: Mapping[Any, Mapping[str, Any]], parameters: Mapping[str, Any]
) -> dict[Any, dict[str, Any]]:
    """An optimizer's state of each parameter of the model, tensors whole."""
    return {
        one: {key: _own(one, value) for key, value in held[parameter].items()}
        for parameter, inside in members(list(held), parameters)
        for one in inside
    }


def _own(parameter: Any, value: Any) -> Any:
    """What of a value is the parameter's: its part where the value is as long as a flat one."""
    hidden = isinstance(parameter, Part) and torch.is_tensor(value)
    return parameter.of(value).full_tensor() if hidden and value.dim() else value
