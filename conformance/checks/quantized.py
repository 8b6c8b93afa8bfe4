"""The quantized part of a base, told from the rest of it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from conformance.judging import equal, identical, require, same
from conformance.running.observation import Observation, Tensors
from conformance.scenarios import Scenario

from .frozen import adapter_moves, no_base_gradient, optimizer_holds_the_adapter

# Sizes that every kernel of bitsandbytes takes: rows of whole blocks of 64, whole groups of 32.
EVEN = Scenario(hidden_size=64, wide=True)

# The widest gap between two values that a weight may have, in shares of the largest of its row.
GAPS = MappingProxyType({"int8": 2 / 254, "nf4": 0.304})

Settings = Mapping[str, Mapping[str, str]]


def quantized_part(tensors: Tensors) -> Tensors:
    """The packed weights of a base and the tensors of their state, which lie below their names."""
    names = set(tensors)
    packed = {owner for name in names for owner in _above(name) & names}
    return {n: t for n, t in tensors.items() if n in packed or _above(n) & packed}


def rest(tensors: Tensors) -> Tensors:
    """Everything in a base that is not quantized."""
    packed = quantized_part(tensors)
    return {name: tensor for name, tensor in tensors.items() if name not in packed}


def quantization_stays(
    observation: Observation, after: Tensors, settings: Settings | None = None
) -> None:
    """Packed bytes, every tensor of the state and every setting are as they were loaded.

    ``settings`` are those beside ``after``: as training left them, unless given.
    """
    before = quantized_part(observation.base_before)
    require(bool(before), "quantized tensors", 0, "some")
    identical("packed weights and their state", quantized_part(after), before)
    held = observation.settings_after if settings is None else settings
    same("quantization settings", held, observation.settings_before)


def packed_base_stays(seen: Observation) -> None:
    """Packed weights and what belongs to them come back bit for bit; the adapter alone has
    gradients, is stepped and moves.
    """
    packed = quantized_part(seen.base_before)
    require(bool(packed), "packed weights", 0, "some")
    identical("packed weights", quantized_part(seen.base_after), packed)
    identical("the base", seen.base_after, seen.base_before)
    adapter_moves(seen)
    no_base_gradient(seen)
    optimizer_holds_the_adapter(seen)


def packed_weights_are_sharded(observation: Observation) -> None:
    """Each packed weight is held once, all ranks together, and no rank holds all of them."""
    first = observation.parameters_before
    base = [name for name, about in first.items() if about.shape[1:] == (1,)]
    require(bool(base), "packed weights", 0, "some")
    for name in base:
        parts = [seen.held[name] for seen in observation.ranks]
        rows, columns = first[name].shape
        equal(f"elements of {name} on all ranks", sum(parts), rows * columns)
    for rank, seen in enumerate(observation.ranks):
        mine = sum(seen.held[name] for name in base)
        whole = sum(sum(other.held[name] for name in base) for other in observation.ranks)
        require(0 < mine < whole, f"elements on rank {rank}", mine, f"some of {whole}")


def _above(name: str) -> set[str]:
    """Every dotted name that lies above this one."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def multiplied_by(layer: Any) -> torch.Tensor:
    """What a linear layer multiplies by as it trains, whatever holds it: (out, in), float32."""
    base = getattr(layer, "base_layer", layer)
    one_by_one = torch.eye(base.in_features, device=base.weight.device, requires_grad=True)
    nothing = torch.zeros_like(one_by_one[:1]).requires_grad_()
    found: torch.Tensor = layer(one_by_one) - layer(nothing)
    return found.T.detach()


def rounded(passed: Iterable[torch.Tensor], gap: float) -> torch.Tensor:
    """How far off a row may be that is rounded at each of these weights, (out, in): half the widest
    gap between two values at most, in shares of the row's largest, each time.
    """
    limit = torch.zeros(())
    for weight in passed:
        limit = limit + gap / 2 * (weight.abs().amax(dim=1, keepdim=True) + limit)
    return limit
