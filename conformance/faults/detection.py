"""Defects in how adapters are recognised."""

from typing import Any

from .registry import fault
from .seams import wrap


def _detecting(act: Any) -> None:
    import transformers.trainer as trainer_module
    from transformers import trainer_utils

    for module in (trainer_utils, trainer_module):
        if hasattr(module, "_is_peft_model"):
            wrap(module, "_is_peft_model", act)


@fault("detection.peft-model")
def mixed_models_not_detected() -> None:
    """`PeftMixedModel` is no longer taken for a PEFT model."""
    _detecting(lambda original, model: original(model) and "Mixed" not in type(model).__name__)


@fault("detection.peft-model")
def plain_models_detected() -> None:
    """Every model is taken for a PEFT model that has a config."""
    _detecting(lambda original, model: original(model) or hasattr(model, "config"))


@fault("detection.steers-loading")
def smoothing_never_shifts() -> None:
    """Label smoothing takes every model for one that does not shift its labels."""
    from transformers.trainer_pt_utils import LabelSmoother

    def around(original: Any, smoother: Any, *arguments: Any, **named: Any) -> Any:
        return original(smoother, *arguments, **{**named, "shift_labels": False})

    wrap(LabelSmoother, "__call__", around)


@fault("detection.quantized-without-adapter")
def quantized_models_not_checked() -> None:
    """The check that a quantized model has something to train is gone."""
    import transformers.trainer as trainer_module

    if hasattr(trainer_module, "validate_quantization_for_training"):
        trainer_module.validate_quantization_for_training = lambda model: None
