"""Quantized bases."""

import contextlib
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from .available import Unavailable, require_working
from .quanto import require_quanto_compiled


def quantization_config(package: str, name: str, arguments: dict[str, Any]) -> Any:
    """A config of transformers by which `from_pretrained` quantizes with ``package``.

    Raises `Unavailable` when the package is missing or broken, or transformers has no such config.
    """
    import transformers

    require_working(package)
    made = getattr(transformers, name, None)
    if made is None:
        raise Unavailable(f"transformers has no {name}")
    if package == "optimum.quanto" and arguments["weights"] != "int8":
        require_quanto_compiled()
    if package == "torchao":
        arguments = {"quant_type": _torchao_int8(), **arguments}
    return made(**arguments)


def quantizers() -> dict[str, str]:
    """The methods of quantizing that this transformers lists, each with its config class's name."""
    from transformers.quantizers import auto

    return {name: made.__name__ for name, made in auto.AUTO_QUANTIZATION_CONFIG_MAPPING.items()}


def loading_as_saved() -> dict[str, Any]:
    """The arguments of `from_pretrained` that leave what is not quantized in the dtype it was
    saved in, as releases from 5.0 on do by themselves.
    """
    return {dtype_argument(): "auto"} if _halves_the_rest() else {}


def dtype_argument() -> str:
    """The argument of `from_pretrained` that says the dtype of what is not quantized."""
    from transformers import PretrainedConfig

    known = inspect.signature(PretrainedConfig.__init__).parameters
    return "dtype" if "dtype" in known else "torch_dtype"


def require_loading_as_saved() -> None:
    """Raise `Unavailable` where a model quantized by bitsandbytes, loaded as the documentation
    loads it, comes in float16 for the rest: mixed precision on a CPU does not take that.
    """
    if _halves_the_rest():
        raise Unavailable("transformers loads what is not quantized in float16, for a GPU")


def _halves_the_rest() -> bool:
    from transformers.quantizers import quantizer_bnb_4bit

    own = vars(quantizer_bnb_4bit.Bnb4BitHfQuantizer)
    return "update_dtype" in own or "update_torch_dtype" in own  # what turns no dtype into float16


@contextlib.contextmanager
def quantizing() -> Iterator[None]:
    """Turn what the libraries say when they cannot quantize on this machine into `Unavailable`.

    Older releases want a GPU, some name a method that they do not implement, and those before 4.50
    fit no bitsandbytes that quantizes on a CPU.
    """
    try:
        yield
    except (ImportError, NotImplementedError) as error:
        raise Unavailable(f"cannot quantize here: {error}") from error
    except (RuntimeError, AttributeError) as error:
        if not (reason := cannot_quantize(str(error))):
            raise
        raise Unavailable(reason) from error


def cannot_quantize(message: str) -> str:
    """Why what Transformers or bitsandbytes say so is not to be had on this stack here; or ""."""
    wants = (
        "No GPU",
        "None of the available devices",
        "All input tensors need to be on the same GPU, but found some tensors to not be on",
    )
    if any(sign in message for sign in wants):
        return f"bitsandbytes wants a GPU for it here: {message.splitlines()[0]}"
    if "'frozenset' object has no attribute 'discard'" in message:  # what bitsandbytes supports
        return f"this transformers fits no bitsandbytes that quantizes on a CPU: {message}"
    return ""


def _torchao_int8() -> Any:
    """Weights in 8 bits, the one kind of torchao that Transformers calls trainable.

    Raises `Unavailable` when torchao has no such config.
    """
    made = getattr(importlib.import_module("torchao.quantization"), "Int8WeightOnlyConfig", None)
    if made is None:
        raise Unavailable("torchao has no Int8WeightOnlyConfig")
    return made()
