"""Defects of what a launch can be told beside; they are of the chapter distributed."""

import os
from typing import Any

from .distributed import _rank
from .registry import fault
from .seams import adapter_weight, after_saving, on_event, on_trainer, wrap


@fault("fsdp.activation-checkpointing")
def recomputed_from_another_input() -> None:
    """A layer that FSDP 2 computes again is given an input that is 1e-6 larger."""
    import accelerate.accelerator

    def slightly_larger(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        module.calls = getattr(module, "calls", 0) + 1
        first, *rest = given
        return (first * (1 + 1e-6 * (module.calls % 2 == 0)), *rest)

    def around(original: Any, accelerator: Any, model: Any) -> Any:
        wrapped = original(accelerator, model)
        for name, module in wrapped.named_modules():
            if name.endswith("_checkpoint_wrapped_module"):
                module.register_forward_pre_hook(slightly_larger)
        return wrapped

    wrap(accelerate.accelerator, "fsdp2_apply_ac", around)


@fault("fsdp.activation-checkpointing")
def first_layer_cut_off() -> None:
    """FSDP recomputes re-entrantly, which hands nothing back where no input asks for a gradient."""
    from torch.distributed.algorithms._checkpoint import checkpoint_wrapper as module

    def around(original: Any, layer: Any, **named: Any) -> Any:
        return original(layer, **{**named, "checkpoint_impl": module.CheckpointImpl.REENTRANT})

    wrap(module, "checkpoint_wrapper", around)


@fault("distributed.mixed-precision")
def adapter_rounded_in_several_processes() -> None:
    """Where several processes train, the adapter is rounded to bfloat16 after each step."""

    def rounded(model: Any, _: Any) -> None:
        for parameter in model.parameters():
            if _rank() >= 0 and parameter.requires_grad:
                held = getattr(parameter.data, "_local_tensor", parameter.data)
                held.copy_(held.bfloat16().float())

    on_event("on_step_end", rounded)


@fault("distributed.mixed-precision")
def float32_in_several_processes() -> None:
    """Where several processes train, `bf16` is forgotten."""
    from transformers import TrainingArguments

    def around(original: Any, arguments: Any) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            arguments.bf16 = False
        original(arguments)

    wrap(TrainingArguments, "__post_init__", around)


@fault("distributed.best")
def best_slightly_off_on_second_rank() -> None:
    """On the second rank one value of the best adapter is 1e-7 off when it has been loaded."""

    def around(original: Any, trainer: Any) -> None:
        original(trainer)
        if _rank() == 1:
            weight = adapter_weight(trainer.model).data
            getattr(weight, "_local_tensor", weight).view(-1)[:1].add_(1e-7)

    on_trainer("_load_best_model", around)


@fault("distributed.best")
def best_not_loaded_in_several_processes() -> None:
    """Where several processes train, the best checkpoint is found and not loaded."""

    def around(original: Any, trainer: Any) -> None:
        if _rank() < 0:
            original(trainer)

    on_trainer("_load_best_model", around)


@fault("distributed.best")
def one_evaluation_more_in_several_processes() -> None:
    """Where several processes train, early stopping waits for one evaluation more."""
    from transformers import EarlyStoppingCallback

    def around(original: Any, callback: Any, patience: int, *given: Any) -> None:
        original(callback, patience + 1, *given)

    wrap(EarlyStoppingCallback, "__init__", around)


@fault("distributed.save-only-model")
def scheduler_kept_beside_the_model() -> None:
    """The scheduler is written where only the model is to be."""

    def left(_: Any, folder: Any) -> None:
        if _rank() == 0:
            (folder / "scheduler.pt").write_bytes(b"1")

    after_saving(left)


@fault("distributed.save-only-model")
def last_adapter_not_written() -> None:
    """Of two checkpoints that hold the model alone the second has no adapter."""

    def lost(trainer: Any, folder: Any) -> None:
        if _rank() == 0 and trainer.state.global_step == trainer.state.max_steps:
            (folder / "adapter_model.safetensors").unlink(missing_ok=True)

    after_saving(lost)


@fault("distributed.same-contract")
def original_parameters_kept() -> None:
    """FSDP 1 keeps the original parameters, though it was told to hide them in flat ones."""
    from transformers import TrainingArguments

    def around(original: Any, arguments: Any) -> None:
        if isinstance(arguments.fsdp_config, dict):
            arguments.fsdp_config.pop("use_orig_params", None)
        original(arguments)

    wrap(TrainingArguments, "__post_init__", around)


@fault("distributed.same-contract")
def hidden_base_weight_moves() -> None:
    """After a step one value of each rank's part of a frozen flat parameter is 1e-6 off."""

    def drift(model: Any, _: Any) -> None:
        for parameter in model.parameters():
            if not parameter.requires_grad and hasattr(parameter, "_fqns") and parameter.numel():
                parameter.data.view(-1)[:1].add_(1e-6)

    on_event("on_step_end", drift)


@fault("distributed.ranks-agree")
def tokens_trained_rank_by_rank() -> None:
    """Gradients of trained tokens are not averaged over the processes."""
    from accelerate import Accelerator

    def around(original: Any, accelerator: Any, model: Any, *rest: Any, **named: Any) -> Any:
        tokens = [name for name, _ in model.named_parameters() if "trainable_tokens" in name]
        model._ddp_params_and_buffers_to_ignore = tokens
        return original(accelerator, model, *rest, **named)

    wrap(Accelerator, "prepare_model", around)


@fault("distributed.metrics")
def duplicates_of_the_last_batch_kept() -> None:
    """What fills the last batches of all processes is handed to the metrics as well."""
    from accelerate import Accelerator

    def around(original: Any, accelerator: Any, data: Any, *rest: Any, **named: Any) -> Any:
        return accelerator.gather(data)

    wrap(Accelerator, "gather_for_metrics", around)


@fault("distributed.iterable")
def first_share_for_all() -> None:
    """Of a batch of an iterable dataset every process takes the first one's share."""
    from accelerate.data_loader import DataLoaderDispatcher

    def around(original: Any, loader: Any, *rest: Any, **named: Any) -> Any:
        original(loader, *rest, **named)
        share = loader.slice_fn
        loader.slice_fn = lambda data, own, **_: share(data, slice(0, own.stop - own.start))

    wrap(DataLoaderDispatcher, "__init__", around)


@fault("distributed.examples")
def last_batch_completed_with_the_one_before() -> None:
    """The second process completes an epoch's batches with the batch that it had before."""
    from accelerate.data_loader import BatchSamplerShard

    def around(original: Any, shard: Any) -> Any:
        batches = list(original(shard))
        if shard.process_index == 1:
            batches[-1] = batches[-2]
        return iter(batches)

    wrap(BatchSamplerShard, "__iter__", around)


@fault("distributed.examples")
def last_rows_of_a_stream_again() -> None:
    """Of a stream that is not dispatched the second process ends with the rows it had before."""
    from accelerate.data_loader import IterableDatasetShard

    def around(original: Any, shard: Any) -> Any:
        rows = list(original(shard))
        if shard.process_index == 1:
            rows[-shard.batch_size :] = rows[-2 * shard.batch_size : -shard.batch_size]
        return iter(rows)

    wrap(IterableDatasetShard, "__iter__", around)


@fault("distributed.metrics")
def remainder_of_one_process() -> None:
    """What is over in the last batches is counted by the batch of one process."""
    from accelerate.data_loader import DataLoaderStateMixin

    def around(original: Any, loader: Any) -> None:
        original(loader)
        if loader.remainder > 0:
            loader.remainder = len(loader.dataset) % loader.batch_sampler.batch_size

    wrap(DataLoaderStateMixin, "begin", around)


@fault("distributed.metrics")
def padded_for_each_other_with_zeros() -> None:
    """What ranks pad for each other before they gather is filled with zeros."""
    from accelerate import Accelerator

    def around(original: Any, accelerator: Any, tensor: Any, **named: Any) -> Any:
        return original(accelerator, tensor, **{**named, "pad_index": 0})

    wrap(Accelerator, "pad_across_processes", around)


@fault("distributed.iterable")
def resume_goes_by_ones_own_batches() -> None:
    """A resume passes over a stream's batches as if each process had had all of them."""
    from transformers import trainer

    def around(original: Any, loader: Any, batches: int = 0) -> Any:
        import torch

        found = torch.distributed
        several = found.is_initialized() and found.get_world_size() > 1
        return original(loader, batches // 2 if several else batches)

    wrap(trainer, "skip_first_batches", around)


@fault("distributed.mixed-precision")
def adapter_stepped_in_bfloat16() -> None:
    """Before each step of several processes the adapter's weights are rounded to bfloat16."""
    import torch

    def cut(model: Any, state: Any) -> None:
        if torch.distributed.is_initialized():
            parameter = adapter_weight(model)
            parameter.data.copy_(parameter.data.bfloat16())

    on_event("on_step_end", cut)
