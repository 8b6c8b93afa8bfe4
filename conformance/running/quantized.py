"""Quantized bases: loaded as a user loads them, and what their quantization holds."""

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from conformance import compat
from conformance.scenarios import Scenario

from . import placing
from .launch.wrappers import clean, shown
from .observation import Tensors

# ---- loading --------------------------------------------------------------------------------


def load(scenario: Scenario, plain: Callable[[], Any]) -> Any:
    """The scenario's base, quantized by `from_pretrained` from a checkpoint on disk.

    ``plain`` makes the base that is written there, once a process. Raises `Unavailable` when the
    package that quantizes is missing or broken.
    """
    model = from_disk(scenario, checkpoint(scenario, plain))
    if scenario.dequantized:
        return _dequantized(scenario, model, plain()).train()
    if scenario.kbit_prepared:
        model = _prepared(scenario, model)
    return model.train()


def config(scenario: Scenario, **own: Any) -> Any:
    """The quantization config of the scenario, with arguments of one's own. Raises `Unavailable`.

    A classification head is named as not to be quantized, since adapters train a copy of it, and so
    is what the family says must be spared.
    """
    how = scenario.how_quantized
    given: dict[str, Any] = dict(how.arguments)
    if how.packed:
        given["bnb_4bit_compute_dtype"] = getattr(torch, scenario.compute_dtype)
        given["bnb_4bit_quant_storage"] = getattr(torch, scenario.quant_storage)
    if left := left_by_name(scenario):
        given["llm_int8_skip_modules"] = left
    return compat.quantization_config(how.package, how.config, {**given, **own})


def left_by_name(scenario: Scenario) -> list[str]:
    """The modules that `config` names as not to be quantized."""
    about = scenario.family
    return [*([about.head] if about.saves_head else []), *about.spared]


def from_disk(scenario: Scenario, folder: Path, **own: Any) -> Any:
    """The model in ``folder``, quantized as it is loaded; ``own`` goes to `from_pretrained`.

    Raises `Unavailable` where the libraries say that they cannot do it here.
    """
    import transformers

    given = dict(own) if "quantization_config" in own else {"quantization_config": config(scenario)}
    if scenario.device_map:
        given["device_map"] = scenario.device_map
    given = {**compat.loading_as_saved(), **given}
    if scenario.base_dtype != "float32":
        given[compat.dtype_argument()] = getattr(torch, scenario.base_dtype)
    loader = getattr(transformers, scenario.family.about_task.auto_class)
    with compat.quantizing():
        return loader.from_pretrained(folder, **{**given, **own})


def _prepared(scenario: Scenario, model: Any) -> Any:
    from peft import prepare_model_for_kbit_training

    how = scenario.gradient_checkpointing
    named = how in ("reentrant", "non-reentrant")
    return prepare_model_for_kbit_training(
        model,
        use_gradient_checkpointing=bool(how),
        gradient_checkpointing_kwargs={"use_reentrant": how == "reentrant"} if named else None,
    )


_written: dict[tuple[object, ...], Path] = {}


def checkpoint(scenario: Scenario, plain: Callable[[], Any]) -> Path:
    """The folder that the plain base is written to, once a process."""
    key = (scenario.architecture, scenario.dropout, scenario.wide, scenario.hidden_size)
    if key not in _written:
        folder = _scratch() / str(len(_written))
        plain().save_pretrained(folder)
        _written[key] = folder
    return _written[key]


@cache
def _scratch() -> Path:
    """A folder that is removed when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="conformance-bases-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list["tempfile.TemporaryDirectory[str]"] = []


# ---- what a quantization holds --------------------------------------------------------------


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


# ---- looking without touching ---------------------------------------------------------------


@contextlib.contextmanager
def untouched(model: Any) -> Iterator[None]:
    """For a forward pass that leaves a quantized model as it is.

    On some processors a 4-bit layer of bitsandbytes packs its weight anew, with another precision,
    when its input needs no gradient; so it is made to ask for one, by itself: a wrapper that shards
    would get ready for a backward pass.
    """
    packed = [module for module in model.modules() if _is_packed(module)]
    hooks = [module.register_forward_pre_hook(_asking) for module in packed]
    hooks += [module.register_forward_hook(_asked, always_call=True) for module in packed]
    try:
        with torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_packed(module: torch.nn.Module) -> bool:
    # peft's wrappers look for a module that is gone when asked for what they do not own
    return "quant_state" in vars(module) or hasattr(module._parameters.get("weight"), "quant_state")


def _asking(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    first, *rest = inputs
    torch.set_grad_enabled(True)
    return (first.detach().requires_grad_(True), *rest)


def _asked(_: torch.nn.Module, __: tuple[torch.Tensor, ...], output: torch.Tensor) -> Any:
    torch.set_grad_enabled(False)
    return output.detach() if torch.is_tensor(output) else output


# ---- what the packed bytes stand for --------------------------------------------------------


def _dequantized(scenario: Scenario, model: Any, plain: Any) -> Any:
    """``plain`` with the values that the quantized weights of ``model`` stand for.

    They are kept in float32, and computed with in the scenario's compute dtype.
    """
    dtype = getattr(torch, scenario.compute_dtype)
    known = states(model)
    for name, parameter in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        module = plain.get_submodule(owner)
        with torch.no_grad():
            if name not in known:
                getattr(module, leaf).copy_(parameter)
                continue
            values = _values(parameter.data.cpu(), known[name])
            transposed = values.shape != module.weight.shape or "Conv1D" in type(module).__name__
            module.weight.copy_(values.T if transposed else values)
        if scenario.how_quantized.packed:
            module.forward = partial(_linear, module, transposed, dtype)
    return plain


def _linear(module: Any, transposed: bool, dtype: torch.dtype, x: torch.Tensor) -> torch.Tensor:
    weight = (module.weight.T if transposed else module.weight).to(dtype)
    bias = None if module.bias is None else module.bias.to(dtype)
    return torch.nn.functional.linear(x.to(dtype), weight, bias).to(x.dtype)


def _values(packed: torch.Tensor, state: State) -> torch.Tensor:
    """The float32 matrix of a quantized weight, written out here from the papers.

    4 bits (Dettmers et al., arXiv:2305.14314): the code book's entry times the largest absolute
    value of its block, which double quantization keeps as 8-bit codes, blocks of its own and an
    offset. 8 bits (arXiv:2208.07339): whole numbers times the row's largest value over 127.
    """
    held, settings = state.tensors, state.settings
    if "SCB" in held:
        return held["CB"].float() * (held["SCB"].float().unsqueeze(1) / 127)
    pairs = packed.reshape(-1).view(torch.uint8).int()
    codes = torch.stack([pairs >> 4, pairs & 15], dim=1).reshape(-1)
    largest = held["quant_state.absmax"]
    if "quant_state.state2.absmax" in held:
        inner = held["quant_state.state2.code"][largest.int()]
        blocks = held["quant_state.state2.absmax"]
        inner = _scaled(inner, blocks, int(settings["quant_state.state2.blocksize"]))
        largest = inner + held["quant_state.offset"]
    values = _scaled(held["quant_state.code"][codes], largest, int(settings["blocksize"]))
    rows, columns = map(int, re.findall(r"\d+", settings["quant_state.shape"]))
    return values[: rows * columns].reshape(rows, columns)


def _scaled(values: torch.Tensor, largest: torch.Tensor, block: int) -> torch.Tensor:
    return values * largest.float().repeat_interleave(block)[: len(values)]
