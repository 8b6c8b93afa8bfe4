"""What is read off a model: its tensors, their settings, what it gives for a batch."""

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from . import build, losses, placing, quantization_state, quantized
from .launch.wrappers import closed_again, named_parameters, opened, whole_state
from .observation import Parameter, Tensors


def tensors(model: torch.nn.Module) -> Tensors:
    """Copies of all parameters and buffers, tied ones once, and of what quantizations hold."""
    states = quantization_state.states(model)
    opaque = {name for name, state in states.items() if state.opaque}
    own = {name: tensor for name, tensor in whole_state(model).items() if name not in opaque}
    parts = ((f"{n}.{part}", t) for n, state in states.items() for part, t in state.tensors.items())
    return {**own, **dict(parts)}


def identities(base: torch.nn.Module) -> dict[int, str]:
    """The base's names of its tensors, by the objects that hold them."""
    return {id(t): name for name, t in (*base.named_parameters(), *base.named_buffers())}


def names_in_base(model: torch.nn.Module, own: Mapping[int, str]) -> dict[str, str]:
    """The adapted model's names of the base's tensors to those the base had for them.

    Methods wrap modules under names of their own; the tensors stay the objects they were, or at
    least at the place that peft's documented wrappers give them.
    """
    known = set(own.values())
    found = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        base = own.get(id(tensor)) or build.base_name(name)
        if base in known:
            found[name] = base
    return found


def parameters(model: torch.nn.Module) -> dict[str, Parameter]:
    """What training may not change of each parameter besides its values."""
    with opened(model):
        return {
            name: Parameter(p.requires_grad, str(p.dtype), tuple(p.shape), str(p.device))
            for name, p in named_parameters(model).items()
        }


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that ask for gradients, by their names, tied ones once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def configs(model: Any) -> dict[str, dict[str, Any]]:
    """The configs of a model's adapters by name, as plain copies."""
    return {name: copy.deepcopy(c.to_dict()) for name, c in model.peft_config.items()}


def logits(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the model gives for the labels of ``batch``, logits for most tasks, in evaluation mode.

    Modes, generators and flags are left as they were. No cache is built meanwhile: since 5.0 the
    Trainer turns the config's off, as its `use_cache` documents, and T5 of that release computes in
    another order of summation without. Nothing asks for gradients meanwhile: a
    matrix that does is multiplied in another order of summation, under `no_grad` as well.
    """
    modes = {module: module.training for module in model.modules()}
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)
    try:
        with (
            quantized.untouched(model),
            closed_again(model),
            _uncached(model),
            placing.forked_generators(),
        ):
            return placing.kept(losses.answers(model(**placing.batch_for(model, batch))))
    finally:
        for module, training in modes.items():
            module.training = training
        for parameter in asking:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def _uncached(model: Any) -> Iterator[None]:
    config: Any = getattr(model, "config", None)
    if not getattr(config, "use_cache", None):
        yield
        return
    config.use_cache = False
    try:
        yield
    finally:
        config.use_cache = True
