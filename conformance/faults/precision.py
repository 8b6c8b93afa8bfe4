"""Defects in mixed precision."""

from typing import Any

from .registry import fault
from .seams import frozen_weight, on_event, on_trainer, rewrite_adapter, wrap


@fault("precision.bf16")
def autocast_left_out() -> None:
    """`bf16=True` is accepted, and the forward pass runs in float32."""
    import contextlib

    on_trainer("autocast_smart_context_manager", lambda *_, **__: contextlib.nullcontext())
    from accelerate import Accelerator

    def around(original: Any, accelerator: Any, *models: Any, **named: Any) -> Any:
        accelerator.native_amp = False
        return original(accelerator, *models, **named)

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


@fault("precision.adapter-dtype")
def adapter_left_in_bfloat16() -> None:
    """`get_peft_model` leaves the adapter in the base's dtype."""
    import peft.tuners.tuners_utils as utilities

    wrap(utilities, "cast_adapter_dtype", lambda original, *_, **__: None)


@fault("precision.adapter-dtype")
def adapter_always_cast() -> None:
    """`autocast_adapter_dtype=False` is not looked at."""
    import peft.tuners.tuners_utils as utilities

    def around(original: Any, model: Any, adapter_name: str, **_: Any) -> Any:
        return original(model, adapter_name=adapter_name, autocast_adapter_dtype=True)

    wrap(utilities, "cast_adapter_dtype", around)


@fault("precision.bf16-base")
def base_rounded_once_more() -> None:
    """One base weight in bfloat16 is moved by one unit in the last place."""
    import torch

    def nudge(model: Any, _: Any) -> None:
        weight = frozen_weight(model)
        if weight.dtype == torch.bfloat16:
            weight.data.view(torch.int16)[0, 0] += 1

    on_event("on_train_end", nudge)


@fault("precision.bf16-base")
def adapter_saved_in_bfloat16() -> None:
    """The adapter is written in the base's dtype, not in the one it trains in."""
    rewrite_adapter(lambda tensors: {n: t.bfloat16() for n, t in tensors.items()})


@fault("precision.bf16-base")
def adapter_rounded_by_a_resume() -> None:
    """A resume rounds the adapter to bfloat16 and back."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        result = original(trainer, *rest, **named)
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.bfloat16().to(parameter.dtype)
        return result

    on_trainer("_load_from_checkpoint", around)


@fault("precision.fp16", needs="cuda")
def scaler_not_restored() -> None:
    """A resume begins with the scaler's first scale again."""
    on_trainer("_load_scaler", lambda *_, **__: None)


@fault("precision.fp16", needs="cuda")
def scaler_not_saved() -> None:
    """Checkpoints are written without the scaler's state."""
    on_trainer("_save_scaler", lambda *_, **__: None)


@fault("precision.fp16", needs="cuda")
def gradients_clipped_while_scaled() -> None:
    """Gradients are clipped first and unscaled afterwards, so that nothing is left of them."""
    from accelerate import Accelerator

    wrap(Accelerator, "unscale_gradients", lambda *_, **__: None)


@fault("precision.fp16", needs="cuda")
def overflowing_step_taken() -> None:
    """A step is taken whatever its gradients are."""
    from torch.amp import GradScaler

    def around(
        original: Any, scaler: Any, optimizer: Any, state: Any, *rest: Any, **named: Any
    ) -> Any:
        finite = {place: found * 0 for place, found in state["found_inf_per_device"].items()}
        return original(
            scaler, optimizer, {**state, "found_inf_per_device": finite}, *rest, **named
        )

    wrap(GradScaler, "_maybe_opt_step", around)


@fault("precision.fp16", needs="cuda")
def scale_kept_after_an_overflow() -> None:
    """A step that overflows is skipped, and the next one is scaled as much."""
    from torch.amp import GradScaler

    def around(original: Any, scaler: Any, new_scale: Any = None) -> Any:
        before = scaler.get_scale()
        original(scaler, new_scale)
        if scaler.get_scale() < before:
            scaler.update(before)

    wrap(GradScaler, "update", around)


@fault("precision.fp16", needs="cuda")
def loss_not_scaled() -> None:
    """The scaler is there, and the loss goes backwards as it is."""
    from torch.amp import GradScaler

    wrap(GradScaler, "scale", lambda original, scaler, loss: original(scaler, loss) * 0 + loss)


@fault("precision.adapter-dtype")
def a_second_adapter_in_half_precision() -> None:
    """An adapter that is added beside another one stays in the base's dtype."""
    from peft import PeftModel

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> None:
        original(model, *rest, **{**named, "autocast_adapter_dtype": False})

    wrap(PeftModel, "add_adapter", around)


@fault("precision.bf16-base")
def adafactor_steps_a_copy() -> None:
    """Adafactor computes the update of a weight in bfloat16, and does not write it back."""
    from transformers.optimization import Adafactor

    def around(original: Any, optimizer: Any, *rest: Any, **named: Any) -> Any:
        held = [(p, p.detach().clone()) for g in optimizer.param_groups for p in g["params"]]
        loss = original(optimizer, *rest, **named)
        for parameter, before in held:
            if str(parameter.dtype) == "torch.bfloat16":
                parameter.data.copy_(before)
        return loss

    wrap(Adafactor, "step", around)


@fault("precision.bf16")
def outputs_left_in_bfloat16() -> None:
    """What a model gives under `bf16` is handed to the loss in bfloat16."""
    from accelerate.utils import operations

    wrap(operations, "convert_to_fp32", lambda original, outputs: outputs)


@fault("precision.adapter-dtype")
def cast_though_it_is_not_asked_for() -> None:
    """`autocast_adapter_dtype=False` is lost for a config without a task."""
    from peft import PeftModel

    def around(original: Any, model: Any, base: Any, config: Any, *rest: Any, **named: Any) -> None:
        told = {} if config.task_type else {"autocast_adapter_dtype": True}
        original(model, base, config, *rest, **{**named, **told})

    wrap(PeftModel, "__init__", around)


@fault("precision.adapter-dtype")
def cast_parameters_ask_for_gradients() -> None:
    """What is cast to float32 asks for gradients, though it did not before."""
    import torch
    from peft.tuners import tuners_utils

    def around(original: Any, model: Any, adapter_name: str, **named: Any) -> None:
        halves = [n for n, p in model.named_parameters() if p.dtype == torch.bfloat16]
        original(model, adapter_name=adapter_name, **named)
        for name, parameter in model.named_parameters():
            if name in halves and parameter.dtype == torch.float32:
                parameter.requires_grad_(True)

    wrap(tuners_utils, "cast_adapter_dtype", around)
