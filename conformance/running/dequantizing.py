"""What the packed bytes of a quantized base stand for, written out from the papers."""

import re
from functools import partial
from typing import Any

import torch

from conformance.scenarios import Scenario

from .quantization_state import State, states


def dequantized(scenario: Scenario, model: Any, plain: Any) -> Any:
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
