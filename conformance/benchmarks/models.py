"""A model of a shape with random weights, made on its device, and the adapter put into it."""

import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch

from conformance import compat

from .cases import BEST, Method, Training, method, shape
from .devices import Device

_TYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True, slots=True)
class Kernels:
    """What is asked for beyond the defaults: arguments of the model's and of the Trainer's."""

    model: dict[str, Any]
    trainer: dict[str, Any]

    @property
    def words(self) -> str:
        """For the record."""
        asked = {**self.model, **self.trainer}
        return ", ".join(f"{name}={value}" for name, value in asked.items()) or "as by default"


def kernels(training: Training, device: Device) -> Kernels:
    """The kernels that a training's row asks for.

    Raises `Unavailable` for the best row where nothing better than the default is installed.
    """
    if training.kernels != BEST:
        return Kernels({}, {})
    best = Kernels({}, {})
    if device.name == "cuda" and find_spec("flash_attn") is not None:
        best.model["attn_implementation"] = "flash_attention_2"
    if device.name == "cuda" and find_spec("liger_kernel") is not None:
        best.trainer["use_liger_kernel"] = True
    if not (best.model or best.trainer):
        raise compat.Unavailable("nothing faster than the default: no flash_attn, no liger_kernel")
    return best


def model(training: Training, device: Device, asked: Kernels) -> Any:
    """The model to train, its adapter in it, in training mode.

    Weights are drawn on the device, so that none travels; those to be quantized are written to a
    temporary folder and loaded from there, as users load theirs. Raises `Unavailable` where the
    quantizing package is missing.
    """
    how = method(training.method)
    torch.manual_seed(0)
    base = _plain(training, device, asked, _TYPES[how.dtype])
    if how.quantized:
        base = _quantized(base, device, asked)
    return _adapted(base, how).train()


def _plain(training: Training, device: Device, asked: Kernels, dtype: torch.dtype) -> Any:
    about = shape(training.shape)
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    config = CONFIG_MAPPING[about.model_type](**about.config, use_cache=False)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device.torch:
            return AutoModelForCausalLM.from_config(config, **asked.model)
    finally:
        torch.set_default_dtype(before)


def _quantized(base: Any, device: Device, asked: Kernels) -> Any:
    config = compat.quantization_config(
        "bitsandbytes",
        "BitsAndBytesConfig",
        {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": torch.bfloat16,
        },
    )
    loader = type(base)
    with tempfile.TemporaryDirectory() as folder:
        base.save_pretrained(folder)
        del base
        with compat.quantizing():
            return loader.from_pretrained(
                folder,
                quantization_config=config,
                device_map={"": device.torch},
                **asked.model,
                **compat.loading_as_saved(),
            )


def _adapted(base: Any, how: Method) -> Any:
    if not how.adapter:
        return base
    from peft import LoraConfig, get_peft_model

    return get_peft_model(base, LoraConfig(**how.adapter, task_type="CAUSAL_LM"))
