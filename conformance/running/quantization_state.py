"""What a quantization holds beside the packed bytes, as plain tensors and values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from . import placing
from .launch.wrappers import clean, shown
from .observation import Tensors


@dataclass(frozen=True, slots=True)
class State:
    """The state of one quantized parameter beside its packed bytes, by dotted names.

    ``settings`` are plain values as text: block sizes, dtypes, kinds. ``opaque`` parameters have
    no bytes of their own: their parts are all there is.
    """

    tensors: Tensors
    settings: Mapping[str, str]
    opaque: bool = False


def states(model: torch.nn.Module) -> dict[str, State]:
    """The quantized parameters of a model, by name; empty for a plain one."""
    found = {}
    with shown(model):
        for name, module in model.named_modules():
            for leaf, parameter in module.named_parameters(recurse=False):
                if (state := _state(module, parameter)) is not None:
                    found[clean(f"{name}.{leaf}" if name else leaf)] = state
    return found


def settings(model: torch.nn.Module) -> dict[str, Mapping[str, str]]:
    """The plain values of each quantized parameter's state, by its name."""
    return {name: state.settings for name, state in states(model).items()}


def _state(module: torch.nn.Module, parameter: torch.Tensor) -> State | None:
    held = getattr(parameter, "quant_state", None)
    if held is None and parameter is module._parameters.get("weight"):
        held = vars(module).get("quant_state")  # what has sharded the weight took it off
    if held is not None:
        return State(*_walked({**_plain(parameter), "quant_state": held}))
    if hasattr(parameter, "SCB"):
        return State(*_walked(_row_scales(module, parameter)))
    sharded = hasattr(parameter, "full_tensor")  # a DTensor is flattened the same way
    if hasattr(parameter, "__tensor_flatten__") and not sharded:
        names, context = parameter.__tensor_flatten__()
        tensors, settings = _walked({name: getattr(parameter, name) for name in names})
        return State(tensors, {**settings, "context": repr(context)}, opaque=True)
    return None


def _plain(parameter: torch.Tensor) -> dict[str, Any]:
    """A packed weight's own settings, without what wrappers note on it."""
    kinds = (str, int, float, torch.dtype, type(None))
    found = {n: v for n, v in vars(parameter).items() if isinstance(v, kinds)}
    return {n: v for n, v in found.items() if not n.startswith(("ds_", "_"))}


def _row_scales(module: Any, parameter: Any) -> dict[str, Any]:
    """The state of an int8 weight, which its layer takes over in the first forward pass."""
    return {
        "CB": parameter.data if (held := _either(module, parameter, "CB")) is None else held,
        "SCB": _either(module, parameter, "SCB"),
        "has_fp16_weights": parameter.has_fp16_weights,
        "threshold": module.state.threshold,
    }


def _either(module: Any, parameter: Any, name: str) -> Any:
    held = getattr(parameter, name, None)
    return getattr(module.state, name, None) if held is None else held


def _walked(values: Mapping[str, Any], prefix: str = "") -> tuple[Tensors, dict[str, str]]:
    """Tensors and plain values of a nested state, by dotted names."""
    tensors: dict[str, torch.Tensor] = {}
    settings: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            tensors[prefix + name] = placing.kept(value)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            inner_tensors, inner_settings = _walked(vars(value), f"{prefix}{name}.")
            tensors |= inner_tensors
            settings |= inner_settings
        else:
            settings[prefix + name] = str(value)
    return tensors, settings


def base_name(name: str, base_names: Mapping[str, str]) -> str | None:
    """The base's name of a tensor, or of a part of a quantized one; `None` for an adapter's."""
    owner, part = name, ""
    while owner not in base_names:
        owner, dot, last = owner.rpartition(".")
        part = dot + last + part
        if not owner:
            return None
    return base_names[owner] + part


def held_bytes(model: torch.nn.Module) -> int:
    """The bytes that parameters, buffers and quantization states of a model hold, tied ones once.

    An int8 weight's ``CB`` is the weight itself.
    """
    known = states(model)
    opaque = {name for name, state in known.items() if state.opaque}
    named = (*model.named_parameters(), *model.named_buffers())
    own = [tensor for name, tensor in named if name not in opaque]
    parts = [t for state in known.values() for n, t in state.tensors.items() if n != "CB"]
    return sum(tensor.numel() * tensor.element_size() for tensor in (*own, *parts))
