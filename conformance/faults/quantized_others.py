"""Defects in training over bases that other packages than bitsandbytes have quantized."""

from typing import Any

from .registry import fault
from .seams import on_event, on_trainer


@fault("quantized.other-methods", needs="torchao")
def one_code_of_torchao_off() -> None:
    """One 8-bit code of a weight quantized by torchao is one higher after the last step."""
    _at_the_last_step("torchao", lambda codes, _: codes.view(-1)[:1].add_(1))


@fault("quantized.other-methods", needs="optimum.quanto")
def scales_of_quanto_a_millionth_off() -> None:
    """The scales of a weight quantized by optimum.quanto are a millionth off after training."""
    _at_the_last_step("optimum", lambda _, scales: scales.mul_(1 + 1e-6))


@fault("quantized.other-methods", needs="torchao")
def resume_over_torchao_a_millionth_off() -> None:
    """A resume over a base quantized by torchao brings the adapter back a millionth off."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        if _parts(trainer.model, "torchao"):
            next(p for p in trainer.model.parameters() if p.requires_grad).data.mul_(1 + 1e-6)

    on_trainer("_load_from_checkpoint", around)


def _at_the_last_step(package: str, act: Any) -> None:
    """Call ``act(codes, scales)`` on the first weight that ``package`` has quantized."""

    def at(model: Any, state: Any) -> None:
        if state.global_step == state.max_steps and (parts := _parts(model, package)):
            act(*parts)

    on_event("on_step_end", at)


def _parts(model: Any, package: str) -> tuple[Any, Any] | None:
    """The 8-bit codes and the floating-point scales of the first such weight, if there is one."""
    import torch

    for weight in model.parameters():
        if type(weight.data).__module__.partition(".")[0] == package:
            names, _ = weight.data.__tensor_flatten__()
            held = [getattr(weight.data, name) for name in names]
            codes = [each for each in held if each.dtype == torch.int8]
            scales = [each for each in held if each.is_floating_point()]
            return codes[0], scales[0]
    return None
