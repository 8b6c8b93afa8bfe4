"""The ways of quantizing a base: each a name, the package that does it, the config it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Quantization:
    """One way of quantizing.

    ``config`` is the name of a config class of transformers and ``arguments`` what it is given;
    ``package`` is the one that quantizes; ``packed`` weights, those of bitsandbytes in 4 bits, also
    take a compute dtype and a storage dtype.
    """

    package: str
    config: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    packed: bool = False


def _four_bits(kind: str, double: bool = False) -> Quantization:
    arguments: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": kind}
    if double:
        arguments["bnb_4bit_use_double_quant"] = True
    return Quantization("bitsandbytes", "BitsAndBytesConfig", arguments, packed=True)


QUANTIZATIONS: Mapping[str, Quantization] = MappingProxyType(
    {
        "nf4": _four_bits("nf4"),
        "fp4": _four_bits("fp4"),
        "nf4-double": _four_bits("nf4", double=True),
        "fp4-double": _four_bits("fp4", double=True),
        "int8": Quantization("bitsandbytes", "BitsAndBytesConfig", {"load_in_8bit": True}),
        "quanto-int8": Quantization("optimum.quanto", "QuantoConfig", {"weights": "int8"}),
        "quanto-int4": Quantization("optimum.quanto", "QuantoConfig", {"weights": "int4"}),
        "torchao-int8": Quantization("torchao", "TorchAoConfig"),
        "hqq-int4": Quantization("hqq", "HqqConfig", {"nbits": 4, "group_size": 16}),
    }
)

BITSANDBYTES = tuple(n for n, each in QUANTIZATIONS.items() if each.package == "bitsandbytes")
"""What bitsandbytes offers."""

OTHERS = tuple(n for n in QUANTIZATIONS if n not in BITSANDBYTES)
"""What other packages offer."""

OTHERS_JUDGED_BY = "quantized.other-methods"
"""The clause that judges them, and that reports the methods nothing here judges."""

_PREPARED = "does require the model to be pre-quantized (transformers)"

NOT_COVERED: Mapping[str, str] = MappingProxyType(
    {
        "aqlm": _PREPARED,
        "auto-round": _PREPARED,
        "awq": _PREPARED,
        "bitnet": _PREPARED,
        "compressed-tensors": _PREPARED,
        "eetq": "No GPU found. A GPU is needed for quantization. (transformers)",
        "fbgemm_fp8": "Using fbgemm fp8 quantization requires a GPU or XPU (transformers)",
        "fouroversix": "does not install without CUDA: CUDA_HOME environment variable is not set",
        "fp8": "No GPU or XPU found. A GPU or XPU is needed for FP8 quantization. (transformers)",
        "fp_quant": "FPQuant quantization is only supported on GPU or Intel XPU (transformers)",
        "gemma": _PREPARED,
        "gguf": "reads files of its own alone, and Transformers does not call it trainable",
        "gptq": "quantizes and trains on a CPU (gptqmodel 7.6.0), but once its layers have been "
        "called without gradient, as each case here does, no gradient comes back: element 0 of "
        "tensors does not require grad and does not have a grad_fn",
        "higgs": "HIGGS quantization is only supported on GPU (transformers)",
        "metal": "Metal quantization requires an Apple Silicon GPU (transformers)",
        "mxfp4": "MXFP4 quantization requires Triton (transformers), which does not call it "
        "trainable",
        "mxfp8": "No GPU or XPU found. A GPU or XPU is needed for FP8 quantization. (transformers)",
        "nvfp4": "NVFP4 quantization requires a CUDA GPU (transformers), which does not call it "
        "trainable",
        "quark": f"{_PREPARED}, which does not call it trainable",
        "sinq": "its conversion of weights ends in an error on a CPU",
        "spqr": _PREPARED,
        "vptq": _PREPARED,
    }
)
"""What Transformers lists and is not covered here, with the reason: what a library said of it on a
CPU, or that Transformers does not call it trainable.
"""


def uncovered(listed: Mapping[str, str]) -> Mapping[str, str]:
    """The methods that nothing here judges, with the reason: known ones, and those ``listed``
    (names to the names of their config classes) that no way of quantizing above uses.
    """
    used = {each.config for each in QUANTIZATIONS.values()}
    strangers = {name for name, config in listed.items() if config not in used} - set(NOT_COVERED)
    return {**NOT_COVERED, **dict.fromkeys(sorted(strangers), UNKNOWN)}


UNKNOWN = "is listed by the installed transformers, and nothing here says how it quantizes"
