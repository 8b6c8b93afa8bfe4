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


@fault("checkpointing.same-gradients")
def all_in_use_not_believed() -> None:
    """DDP looks for unused parameters though it is told not to: a false is taken for not given."""
    from transformers import TrainingArguments

    original = TrainingArguments.__post_init__

    def forgetful(arguments: Any) -> None:
        original(arguments)
        arguments.ddp_find_unused_parameters = arguments.ddp_find_unused_parameters or None

    TrainingArguments.__post_init__ = forgetful
