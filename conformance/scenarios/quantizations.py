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

NOT_COVERED: Mapping[str, str] = MappingProxyType(
    {
        "gptq": "needs calibration data, or a checkpoint that was quantized beforehand",
        "awq": "needs calibration data, or a checkpoint that was quantized beforehand",
        "aqlm": "reads only checkpoints that were quantized beforehand",
        "sinq": "its conversion of weights ends in an error on a CPU",
        "eetq": "its kernels need a GPU",
        "fp8": "its kernels need a GPU",
    }
)
"""What Transformers calls trainable and is not covered here, with the reason."""
