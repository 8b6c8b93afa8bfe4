"""Defects that show only where several processes train."""

from typing import Any

from .registry import fault
from .seams import adapter_weight, after_saving, on_event, on_trainer, rewrite_adapter, wrap


def _rank() -> int:
    import torch

    found = torch.distributed
    return found.get_rank() if found.is_available() and found.is_initialized() else -1


@fault("distributed.same-contract")
def second_rank_moves_its_base() -> None:
    """On the second rank one value of one base weight moves by 1e-6."""
    from .seams import frozen_weight

    def nudge(model: Any, state: Any) -> None:
        if _rank() == 1 and state.global_step == state.max_steps:
            frozen_weight(model).data.view(-1)[0].add_(1e-6)

    on_event("on_step_end", nudge)


@fault("distributed.same-contract")
def launched_checkpoint_one_tensor_short() -> None:
    """The adapter file lacks a tensor when several processes train."""

    def short(tensors: dict[str, Any]) -> dict[str, Any]:
        return dict(list(tensors.items())[int(_rank() == 0) :])

    rewrite_adapter(short)


@fault("distributed.equals-single")
def loss_not_averaged_over_ranks() -> None:
    """The number of labelled positions is counted on each rank for itself."""
    from transformers import TrainingArguments

    original = TrainingArguments.__post_init__

    def alone(arguments: Any) -> None:
        original(arguments)
        if arguments.world_size > 1:
            arguments.average_tokens_across_devices = False

    TrainingArguments.__post_init__ = alone


@fault("distributed.ranks-agree")
def second_rank_adds_noise() -> None:
    """After a step one adapter weight of the second rank is 1e-7 off."""

    def drift(model: Any, state: Any) -> None:
        if _rank() == 1:
            adapter_weight(model).data.view(-1)[:1].add_(1e-7)

    on_event("on_step_end", drift)


@fault("distributed.written-once")
def every_rank_writes_the_adapter() -> None:
    """Each rank takes itself for the one that saves."""
    from transformers import TrainingArguments

    TrainingArguments.should_save = property(lambda _: True)


@fault("distributed.written-once")
def second_rank_leaves_a_file() -> None:
    """The second rank writes one file too many into each checkpoint."""

    def leave(_: Any, folder: Any) -> None:
        if _rank() == 1:
            (folder / "scheduler-1.pt").write_bytes(b"1")

    after_saving(leave)


@fault("fsdp.peft-policy-applied")
def adapter_policy_forgotten() -> None:
    """The wrapping policy is not adapted to the adapter's layers."""
    import transformers.trainer as trainer_module

    wrap(trainer_module, "update_fsdp_plugin_peft", lambda *_, **__: None)


@fault("fsdp.state-dict-types")
def optimizer_not_loaded_from_shards() -> None:
    """The optimizer's state is not loaded when FSDP shards."""
    import transformers.trainer as trainer_module

    wrap(trainer_module, "load_fsdp_optimizer", lambda *_, **__: None)


@fault("fsdp.state-dict-types")
def fsdp_state_slightly_off() -> None:
    """Under FSDP one value of each adapter weight is 1e-6 off in what a resume loads."""
    import transformers.trainer as trainer_module

    def nudge(model: Any, by: float) -> None:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                getattr(parameter.data, "_local_tensor", parameter.data).view(-1)[:1].add_(by)

    def around(
        original: Any, plugin: Any, accelerator: Any, model: Any, *rest: Any, **named: Any
    ) -> Any:
        nudge(model, 1e-6)
        result = original(plugin, accelerator, model, *rest, **named)
        nudge(model, -1e-6)
        return result

    wrap(trainer_module, "save_fsdp_model", around)


@fault("distributed.same-contract")
def moments_lost_in_several_processes() -> None:
    """Where several processes train, a resume leaves the optimizer as it was made."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if trainer.args.world_size > 1:
            return None
        return original(trainer, *rest, **named)

    on_trainer("_load_optimizer_and_scheduler", around)


@fault("distributed.clipping")
def each_rank_clips_a_little_more() -> None:
    """Where several processes train, gradients are clipped to 0.1 % less than asked for."""
    import torch

    def around(original: Any, parameters: Any, max_norm: float, *rest: Any, **named: Any) -> Any:
        less = 1.0 if _rank() < 0 else 0.999
        return original(parameters, max_norm * less, *rest, **named)

    wrap(torch.nn.utils, "clip_grad_norm_", around)


@fault("distributed.clipping")
def norm_of_one_rank_logged() -> None:
    """The norm that is logged where several processes train is 0.1 % off."""

    def around(original: Any, trainer: Any, *given: Any, **named: Any) -> Any:
        found = original(trainer, *given, **named)
        return found if _rank() < 0 or found is None else found * 1.001

    on_trainer("_clip_grad_norm", around)


@fault("distributed.evaluation")
def evaluated_slightly_off_in_several_processes() -> None:
    """On the second rank the losses of an evaluation are 0.1 % too large."""

    def around(original: Any, trainer: Any, *given: Any, **named: Any) -> Any:
        loss, *rest = original(trainer, *given, **named)
        return (loss * 1.001 if _rank() == 1 else loss, *rest)

    on_trainer("prediction_step", around)


@fault("distributed.evaluation")
def evaluation_loss_of_the_first_rank() -> None:
    """The loss of an evaluation is that of the first rank's examples."""
    from accelerate import Accelerator

    def around(original: Any, accelerator: Any, data: Any, *rest: Any, **named: Any) -> Any:
        found = original(accelerator, data, *rest, **named)
        alone = _rank() < 0 or not hasattr(found, "repeat") or found.dim() != 1
        return found if alone else found[:1].repeat(len(found))

    wrap(Accelerator, "gather_for_metrics", around)


@fault("distributed.resume-across")
def optimizer_forgotten_in_other_world() -> None:
    """A resume in another number of processes than wrote the checkpoint starts a new optimizer."""

    def around(original: Any, trainer: Any, checkpoint: Any, *rest: Any) -> Any:
        from pathlib import Path

        wrote = len(list(Path(checkpoint or "").glob("rng_state_*.pth"))) or 1
        if checkpoint and wrote != trainer.args.world_size:
            return None
        return original(trainer, checkpoint, *rest)

    on_trainer("_load_optimizer_and_scheduler", around)


@fault("distributed.mixed-precision")
def masters_left_in_bfloat16() -> None:
    """FSDP 2 does not bring what trains to float32 before it shards it."""
    from accelerate import accelerator

    def around(original: Any, trained: Any, model: Any) -> Any:
        asked, trained.state._mixed_precision = trained.state._mixed_precision, "no"
        try:
            return original(trained, model)
        finally:
            trained.state._mixed_precision = asked

    wrap(accelerator, "fsdp2_prepare_model", around)


@fault("distributed.same-contract")
def base_upcast_with_the_adapter() -> None:
    """Under FSDP and mixed precision the base is cast to float32 as what is trained is."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        if trainer.is_fsdp_enabled and trainer.args.bf16:
            model.float()
        return original(trainer, model, *rest, **named)

    on_trainer("_wrap_model", around)


@fault("distributed.same-contract")
def frozen_adapter_not_gathered() -> None:
    """FSDP 2 leaves what is frozen out of what it gathers for the adapters' files."""
    from accelerate import Accelerator
    from torch.distributed.checkpoint import state_dict as module

    state_dict: Any = module

    def around(original: Any, accelerator: Any, *rest: Any, **named: Any) -> Any:
        gather = state_dict.get_model_state_dict

        def trained(model: Any, *, options: Any) -> Any:
            options.ignore_frozen_params = True
            return gather(model, options=options)

        state_dict.get_model_state_dict = trained
        try:
            return original(accelerator, *rest, **named)
        finally:
            state_dict.get_model_state_dict = gather

    wrap(Accelerator, "get_state_dict", around)


@fault("fsdp.activation-checkpointing")
def dropout_drawn_anew_when_recomputed() -> None:
    """What FSDP 1 recomputes for the backward pass drops other values than the forward pass."""
    from torch.distributed.algorithms._checkpoint import checkpoint_wrapper as module

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        return original(*rest, **{**named, "preserve_rng_state": False})

    wrap(module, "checkpoint_wrapper", around)
