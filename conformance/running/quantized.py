"""Quantized bases: loaded as a user loads them, and looked at without touching them."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from conformance import compat
from conformance.scenarios import Scenario

from .dequantizing import dequantized

# ---- loading --------------------------------------------------------------------------------


def load(scenario: Scenario, plain: Callable[[], Any]) -> Any:
    """The scenario's base, quantized by `from_pretrained` from a checkpoint on disk.

    ``plain`` makes the base that is written there, once a process. Raises `Unavailable` when the
    package that quantizes is missing or broken.
    """
    model = from_disk(scenario, checkpoint(scenario, plain))
    if scenario.dequantized:
        return dequantized(scenario, model, plain()).train()
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
