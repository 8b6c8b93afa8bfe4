"""Defects in training over quantized bases; the rest is in `quantized_edges`."""

from collections.abc import Callable
from typing import Any

from .quantized_seams import (
    at_the_last_step,
    on_checkpointed_gradients,
    on_gradients,
    scales_of,
    weight_of,
)
from .registry import fault
from .seams import after_saving, after_training, on_event, on_trainer, rewrite_adapter, wrap

# ---- the base -------------------------------------------------------------------------------


@fault("quantized.base-identical")
def one_packed_code_off() -> None:
    """The lowest bit of one packed byte flips at the last step."""
    import torch

    def flip(model: Any) -> None:
        weight_of(model)[1].data.reshape(-1).view(torch.uint8)[0] ^= 1

    at_the_last_step(flip)


@fault("quantized.base-identical")
def scales_a_millionth_off() -> None:
    """The scales of one quantized weight grow by a millionth when training begins."""

    def grow(model: Any, state: Any) -> None:
        if weight_of(model)[1] is not None:
            scales_of(model).mul_(1 + 1e-6)

    on_event("on_train_begin", grow)


@fault("quantized.base-identical")
def double_quantization_forgotten() -> None:
    """A weight forgets whether its scales are quantized, as a rebuilt parameter does."""

    def forget(model: Any) -> None:
        weight = weight_of(model)[1]
        weight.compress_statistics = not getattr(weight, "compress_statistics", True)

    at_the_last_step(forget)


@fault("quantized.base-identical")
def saving_repacks_the_base() -> None:
    """Saving the model at the end shifts one packed weight by a place."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        weight = weight_of(trainer.model)[1]
        if weight is not None:
            weight.data.copy_(weight.data.roll(1, 0))

    on_trainer("save_model", around)


@fault("quantized.rest-identical")
def norm_beside_quantized_layers_nudged() -> None:
    """A norm of a quantized base moves by a millionth."""

    def nudge(model: Any) -> None:
        flat = [p for n, p in model.named_parameters() if p.dim() == 1 and n.endswith("weight")]
        flat[0].data.mul_(1 + 1e-6)

    at_the_last_step(nudge)


@fault("quantized.rest-identical")
def embedding_of_a_quantized_base_cast() -> None:
    """The embedding of a quantized base takes a trip through bfloat16."""

    def cast(model: Any) -> None:
        weight = model.get_input_embeddings().weight.data
        weight.copy_(weight.bfloat16().float())

    at_the_last_step(cast)


# ---- what is written ------------------------------------------------------------------------


@fault("quantized.adapter-only")
def packed_weights_in_checkpoints() -> None:
    """A checkpoint holds a packed weight of the base."""
    import torch

    def write(trainer: Any, folder: Any) -> None:
        packed = weight_of(trainer.model)[1].data.contiguous().view(torch.uint8)
        (folder / "base.bin").write_bytes(packed.numpy().tobytes())

    after_saving(write)


@fault("quantized.adapter-only")
def norm_of_a_quantized_base_in_the_optimizer() -> None:
    """The optimizer of a training over a quantized base holds one of its norms."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        optimizer = original(trainer, *rest, **named)
        flat = [p for p in trainer.model.parameters() if p.dim() == 1 and not p.requires_grad]
        optimizer.param_groups[0]["params"].append(flat[0])
        return optimizer

    on_trainer("create_optimizer", around)


@fault("quantized.round-trip")
def adapter_of_a_quantized_base_in_half_precision() -> None:
    """Adapters are written in bfloat16 precision."""
    rewrite_adapter(lambda held: {name: t.bfloat16().to(t.dtype) for name, t in held.items()})


@fault("quantized.round-trip")
def last_adapter_of_a_quantized_base_not_final() -> None:
    """`save_model()` writes one value off by a millionth."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        weight = next(p for p in trainer.model.parameters() if p.requires_grad).data.view(-1)
        kept = weight[0].clone()
        weight[0] *= 1 + 1e-6
        original(trainer, *rest, **named)
        weight[0] = kept

    on_trainer("save_model", around)


# ---- the training ---------------------------------------------------------------------------


@fault("quantized.resume")
def resumed_adapter_a_millionth_off() -> None:
    """A resume over a quantized base brings one adapter weight back a millionth off."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        next(p for p in trainer.model.parameters() if p.requires_grad).data.mul_(1 + 1e-6)

    on_trainer("_load_from_checkpoint", around)


@fault("quantized.resume")
def resume_quantizes_once_more() -> None:
    """A resume takes the base through its rounding once more: its scales are 0.1 % off."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        scales_of(trainer.model).mul_(1.001)

    on_trainer("_load_from_checkpoint", around)


def _replaced(**changes: Callable[[Any], Any]) -> None:
    def change(trainer: Any, output: Any) -> Any:
        return output._replace(**{n: act(getattr(output, n)) for n, act in changes.items()})

    after_training(change)


@fault("quantized.output")
def loss_of_a_quantized_run_a_thousandth_off() -> None:
    """`training_loss` of a run over a quantized base is 0.1 % off."""
    _replaced(training_loss=lambda loss: loss * 1.001)


@fault("quantized.output")
def quantized_run_counts_a_step_too_many() -> None:
    """`global_step` of a run over a quantized base is one too many."""
    _replaced(global_step=lambda step: step + 1)


@fault("quantized.accumulation")
def accumulated_quantized_gradient_a_thousandth_off() -> None:
    """Under accumulation gradients over a quantized base are 0.1 % too large."""

    def grow(trainer: Any, held: list[Any]) -> None:
        if trainer.args.gradient_accumulation_steps > 1:
            for parameter in held:
                parameter.grad.mul_(1.001)

    on_gradients(grow)


@fault("quantized.accumulation")
def accumulation_loses_its_last_micro_batch() -> None:
    """A micro-batch over a quantized base leaves what was accumulated before it, and no more."""
    kept: dict[int, Any] = {}

    def put_back(trainer: Any, held: list[Any]) -> None:
        for parameter in held:
            if trainer.accelerator.sync_gradients and id(parameter) in kept:
                parameter.grad.copy_(kept[id(parameter)])
            kept[id(parameter)] = parameter.grad.clone()

    on_gradients(put_back)


@fault("quantized.reference")
def quantized_gradient_a_thousandth_off() -> None:
    """Gradients over a quantized base are 0.1 % too large."""

    def grow(trainer: Any, held: list[Any]) -> None:
        for parameter in held:
            parameter.grad.mul_(1.001)

    on_gradients(grow)


@fault("quantized.reference")
def quantized_gradient_in_half_precision() -> None:
    """Gradients over a quantized base that computes in float32 are rounded to bfloat16."""

    def cast(trainer: Any, held: list[Any]) -> None:
        for parameter in held:
            parameter.grad.copy_(parameter.grad.bfloat16())

    on_gradients(cast)


@fault("quantized.checkpointing")
def checkpointed_quantized_gradient_a_millionth_off() -> None:
    """Under gradient checkpointing one gradient over a quantized base is a millionth off."""
    on_checkpointed_gradients(
        lambda held: max(held, key=lambda p: p.grad.norm()).grad.mul_(1 + 1e-6)
    )


@fault("quantized.checkpointing")
def first_adapter_over_a_quantized_base_without_gradient() -> None:
    """Under gradient checkpointing the first adapter over a quantized base gets no gradient."""

    def forget(held: list[Any]) -> None:
        held[0].grad = held[1].grad = None

    on_checkpointed_gradients(forget)


@fault("quantized.documented-recipe")
def recipe_leaves_the_first_adapter_untrained() -> None:
    """In the documented recipe the first layer's adapter gets no gradient."""

    def forget(held: list[Any]) -> None:
        held[0].grad = held[1].grad = None

    on_checkpointed_gradients(forget)


@fault("quantized.documented-recipe")
def recipe_drops_its_last_window() -> None:
    """Micro-batches that do not fill an accumulation window are left out."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        window = trainer.args.gradient_accumulation_steps
        trainer.train_dataset = trainer.train_dataset[
            : len(trainer.train_dataset) // window * window
        ]
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("quantized.documented-recipe")
def recipe_without_its_last_target() -> None:
    """`target_modules=None` forgets the last of the default modules."""
    from peft.tuners.lora import LoraModel

    mapping = LoraModel.target_module_mapping
    for name, modules in list(mapping.items()):
        if len(modules) > 1:
            mapping[name] = list(modules)[:-1]


@fault("quantized.close-to-full")
def quantized_weights_computed_with_off_by_a_thousandth() -> None:
    """4-bit weights are computed with at 0.1 % more than they stand for, int8 ones likewise."""
    import bitsandbytes

    def around(original: Any, *arguments: Any, **named: Any) -> Any:
        return original(*arguments, **named) * 1.001

    wrap(bitsandbytes, "matmul_4bit", around)
    wrap(bitsandbytes, "matmul", around)
