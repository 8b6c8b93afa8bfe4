"""The quantized part of a base, told from the rest of it."""

from collections.abc import Mapping

from conformance.judging import identical, require, same
from conformance.running.observation import Observation, Tensors

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


def _above(name: str) -> set[str]:
    """Every dotted name that lies above this one."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}
