"""Defects in mixed precision."""

from typing import Any

from .registry import fault
from .seams import on_event, on_trainer


@fault("precision.bf16")
def autocast_left_out() -> None:
    """`bf16=True` is accepted, and the forward pass runs in float32."""
    import contextlib

    on_trainer("autocast_smart_context_manager", lambda *_, **__: contextlib.nullcontext())
    from accelerate import Accelerator

    def around(original: Any, accelerator: Any, *models: Any, **named: Any) -> Any:
        accelerator.native_amp = False
        return original(accelerator, *models, **named)

    from .seams import wrap

    wrap(Accelerator, "prepare", around)
    wrap(Accelerator, "prepare_model", around)


@fault("precision.bf16")
def adapter_cast_to_bfloat16() -> None:
    """The adapter's weights are rounded to bfloat16's dtype before training."""

    def cast(model: Any, _: Any) -> None:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()

    on_event("on_train_begin", cast)
