"""Defects that the documentation's own examples meet."""

from typing import Any

from .registry import fault
from .resume import one_batch_too_many_skipped as _skip_a_batch
from .resume import one_second_moment_lost as _lose_a_moment
from .seams import after_training, on_trainer


@fault("recipes.lora")
def base_half_as_precise() -> None:
    """A training asked for `fp16` leaves the base in float16."""

    def halve(trainer: Any, output: Any) -> Any:
        if trainer.args.fp16:
            for parameter in trainer.model.parameters():
                if not parameter.requires_grad:
                    parameter.data = parameter.data.half()
        return output

    after_training(halve)


@fault("recipes.lora")
def one_epoch_short() -> None:
    """Training ends an epoch before the arguments say."""

    def around(original: Any, trainer: Any, *arguments: Any, **named: Any) -> Any:
        trainer.args.num_train_epochs -= 1
        return original(trainer, *arguments, **named)

    on_trainer("train", around)


@fault("recipes.without-gpu")
def half_precision_on_the_processor() -> None:
    """`fp16=True` runs the forward pass in bfloat16 where there is no GPU."""
    import torch

    def around(original: Any, trainer: Any, *arguments: Any, **named: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=trainer.args.fp16):
            return original(trainer, *arguments, **named)

    on_trainer("compute_loss", around)


@fault("recipes.qlora")
def one_packed_byte_flips() -> None:
    """Training changes two values of one quantized weight, a single byte."""

    def flip(trainer: Any, output: Any) -> Any:
        packed = next(p for p in trainer.model.parameters() if hasattr(p, "quant_state"))
        packed.data.view(-1)[0] ^= 1
        return output

    after_training(flip)


@fault("recipes.qlora")
def one_block_scaled_anew() -> None:
    """Training scales one block of a quantized weight by a thousandth; its bytes stay."""

    def scale(trainer: Any, output: Any) -> Any:
        packed = next(p for p in trainer.model.parameters() if hasattr(p, "quant_state"))
        packed.quant_state.absmax[0] *= 1.001
        return output

    after_training(scale)


@fault("recipes.resumed")
def a_moment_lost_by_the_example() -> None:
    """Resuming, one of the optimizer's second moments starts from zero again."""
    _lose_a_moment()


@fault("recipes.resumed")
def a_batch_skipped_by_the_example() -> None:
    """Resuming, one batch more is skipped than was trained on."""
    _skip_a_batch()
