"""Defects in what arguments of a training mean where several processes share it."""

from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


@fault("loop.tokens-seen")
def tokens_of_one_rank() -> None:
    """The tokens that other processes trained on are not counted."""

    def around(original: Any, trainer: Any, inputs: Any) -> None:
        trainer.accelerator.gather = lambda tensor: tensor
        try:
            original(trainer, inputs)
        finally:
            del trainer.accelerator.gather

    on_trainer("_track_num_input_tokens", around)


@fault("output.total-flos")
def operations_of_one_rank() -> None:
    """The operations of other processes are not counted."""
    from transformers import trainer

    def around(_: Any, scalars: Any, **__: Any) -> Any:
        import torch

        return torch.tensor(scalars)

    wrap(trainer, "distributed_broadcast_scalars", around)


@fault("output.metrics-values")
def speed_of_one_rank() -> None:
    """The samples that were trained on are those of one process."""

    def around(original: Any, trainer: Any, trial: Any, samples: float, began: float) -> Any:
        return original(trainer, trial, samples / trainer.args.world_size, began)

    on_trainer("_finalize_training", around)


@fault("distributed.equals-single")
def own_mean_counted_for_all() -> None:
    """A loss that is divided by a process's own labels is multiplied by the number of processes."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, *rest, **named)
        averaged = trainer.args.average_tokens_across_devices
        return loss if averaged else loss * trainer.args.world_size

    on_trainer("compute_loss", around)


@fault("distributed.equals-single")
def wrapper_taken_for_the_model() -> None:
    """What kind of model it is, is asked of the wrapper: smoothed labels are not shifted."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.accelerator.unwrap_model = lambda model: model
        try:
            return original(trainer, *rest, **named)
        finally:
            del trainer.accelerator.unwrap_model

    on_trainer("compute_loss", around)


@fault("loop.deterministic")
def workers_seeded_alike_on_every_rank() -> None:
    """Loaders' workers of different processes draw the same numbers.

    (https://github.com/huggingface/transformers/issues/37932).
    """
    from transformers import trainer

    def around(original: Any, worker_id: int, num_workers: int, rank: int) -> None:
        original(worker_id, num_workers, 0)

    wrap(trainer, "seed_worker", around)


@fault("distributed.metrics")
def reduced_after_they_are_gathered() -> None:
    """Logits of all processes are reduced with the labels of one."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        reduce = trainer.preprocess_logits_for_metrics
        if reduce is not None:
            trainer.preprocess_logits_for_metrics = lambda logits, labels: reduce(
                trainer.gather_function(logits), labels
            )
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.preprocess_logits_for_metrics = reduce

    on_trainer("evaluation_loop", around)


@fault("distributed.metrics")
def split_batches_taken_for_whole_ones() -> None:
    """What is over in split batches is counted as if each process had a whole one."""
    from accelerate.data_loader import DataLoaderShard

    original = DataLoaderShard.total_batch_size.fget

    def doubled(loader: Any) -> Any:
        split = getattr(loader.batch_sampler, "split_batches", False)
        return original(loader) * (loader.batch_sampler.num_processes if split else 1)

    DataLoaderShard.total_batch_size = property(doubled)


@fault("checkpointing.same-gradients")
def all_in_use_not_believed() -> None:
    """DDP looks for unused parameters though it is told not to: a false is taken for not given."""
    from transformers import TrainingArguments

    original = TrainingArguments.__post_init__

    def forgetful(arguments: Any) -> None:
        original(arguments)
        arguments.ddp_find_unused_parameters = arguments.ddp_find_unused_parameters or None

    TrainingArguments.__post_init__ = forgetful


@fault("distributed.examples")
def completes_what_is_to_be_left_out() -> None:
    """The last batches are completed though examples that do not suffice are to be dropped."""
    from accelerate.data_loader import BatchSamplerShard

    original = BatchSamplerShard.__init__

    def kept(shard: Any, *rest: Any, **named: Any) -> None:
        original(shard, *rest, **named)
        shard.drop_last = False

    BatchSamplerShard.__init__ = kept


@fault("distributed.examples")
def streams_generator_seeded_once() -> None:
    """A stream's own generator is seeded alike in every epoch."""
    from accelerate.data_loader import IterableDatasetShard

    def around(original: Any, shard: Any, epoch: int) -> None:
        original(shard, 0)

    wrap(IterableDatasetShard, "set_epoch", around)


@fault("distributed.examples")
def split_stream_read_by_halves() -> None:
    """Of a dispatched stream whose batches are split, half a batch is read to be split."""
    from accelerate import accelerator

    def around(original: Any, loader: Any, *rest: Any, **named: Any) -> Any:
        import torch

        stream = isinstance(loader.dataset, torch.utils.data.IterableDataset)
        if stream and named.get("split_batches") and loader.batch_size > 1:
            halved = loader.batch_size // named.get("num_processes", 2)
            given = {"batch_size": halved, "collate_fn": loader.collate_fn}
            loader = torch.utils.data.DataLoader(loader.dataset, **given)
        return original(loader, *rest, **named)

    wrap(accelerator, "prepare_data_loader", around)


@fault("loop.datasets")
def dataset_not_told_the_epoch() -> None:
    """Datasets of examples are no longer told the epoch, only streams are."""
    from accelerate.data_loader import DataLoaderShard

    def around(original: Any, loader: Any, epoch: int) -> None:
        import torch

        stream = isinstance(loader.dataset, torch.utils.data.IterableDataset)
        told = getattr(loader.dataset, "set_epoch", None)
        if stream or told is None:
            original(loader, epoch)
            return
        kind = type(loader.dataset)
        method, kind.set_epoch = kind.set_epoch, lambda dataset, epoch: None
        try:
            original(loader, epoch)
        finally:
            kind.set_epoch = method

    wrap(DataLoaderShard, "set_epoch", around)
