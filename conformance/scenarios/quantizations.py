"""The ways of quantizing a base: each a name, the package that does it, the config it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Quantization:
    """One way of quantizing.

    ``config`` is the name of a config class of transformers and ``arguments`` what it is given;
    ``package`` is the one that quantizes; ``bits`` a weight is stored in; ``packed`` 4-bit weights
    of bitsandbytes also take a compute dtype and a storage dtype.
    """

    package: str
    config: str
    bits: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    packed: bool = False


def _four_bits(kind: str, double: bool = False) -> Quantization:
    arguments: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": kind}
    if double:
        arguments["bnb_4bit_use_double_quant"] = True
    return Quantization("bitsandbytes", "BitsAndBytesConfig", 4, arguments, packed=True)


QUANTIZATIONS: Mapping[str, Quantization] = MappingProxyType(
    {
        "nf4": _four_bits("nf4"),
        "fp4": _four_bits("fp4"),
        "nf4-double": _four_bits("nf4", double=True),
        "fp4-double": _four_bits("fp4", double=True),
        "int8": Quantization("bitsandbytes", "BitsAndBytesConfig", 8, {"load_in_8bit": True}),
    }
)

BITSANDBYTES = tuple(n for n, each in QUANTIZATIONS.items() if each.package == "bitsandbytes")
"""What bitsandbytes offers."""
