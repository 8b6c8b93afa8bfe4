"""Where faults of quantized bases are patched in."""

from collections.abc import Callable
from typing import Any

from .seams import on_event, on_trainer


def weight_of(model: Any) -> tuple[Any, Any]:
    """The first quantized layer of a model, and its weight."""
    for module in model.modules():
        weight = getattr(module, "weight", None)
        adapted = hasattr(module, "base_layer")  # the adapter's layer around it
        if not adapted and (hasattr(weight, "quant_state") or hasattr(weight, "SCB")):
            return module, weight
    return None, None


def scales_of(model: Any) -> Any:
    """The floating point scales of the first quantized weight: of its blocks, or of its rows."""
    module, weight = weight_of(model)
    if hasattr(weight, "quant_state"):
        state = weight.quant_state
        return state.absmax if state.state2 is None else state.state2.absmax
    return module.state.SCB if weight.SCB is None else weight.SCB


def at_the_last_step(act: Callable[[Any], None]) -> None:
    """Call ``act(model)`` after the last optimizer step over a quantized base."""

    def at(model: Any, state: Any) -> None:
        if state.global_step == state.max_steps and weight_of(model)[1] is not None:
            act(model)

    on_event("on_step_end", at)


def on_gradients(act: Callable[[Any, list[Any]], None]) -> None:
    """Call ``act(trainer, parameters with a gradient)`` after each pass over a quantized base."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        if weight_of(model)[1] is not None:
            act(trainer, [p for p in model.parameters() if p.grad is not None])
        return loss

    on_trainer("training_step", around)


def on_checkpointed_gradients(act: Callable[[list[Any]], Any]) -> None:
    """Call ``act(parameters with a gradient)`` after such a pass under gradient checkpointing."""

    def when(trainer: Any, held: list[Any]) -> None:
        if trainer.args.gradient_checkpointing:
            act(held)

    on_gradients(when)
