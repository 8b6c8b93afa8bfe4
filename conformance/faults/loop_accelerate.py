"""Defects in what Accelerate and the samplers are told."""

from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


@fault("loop.arguments")
def accumulation_told_to_accelerate_forgotten() -> None:
    """Steps of accumulation that `accelerator_config` holds are not looked at."""

    def around(original: Any, trainer: Any) -> None:
        given = trainer.args.accelerator_config.gradient_accumulation_kwargs
        if given:
            given.pop("num_steps", None)
        original(trainer)

    on_trainer("create_accelerator_and_postprocess", around)


@fault("distributed.equals-single")
def batches_not_split() -> None:
    """Each process gets a batch of the size that all were to share."""
    from accelerate.utils import DataLoaderConfiguration

    def around(original: Any, config: Any, *rest: Any, **named: Any) -> None:
        original(config, *rest, **named)
        config.split_batches = False

    wrap(DataLoaderConfiguration, "__init__", around)


@fault("loop.batch-rebalance")
def balanced_batches_not_told_the_epoch() -> None:
    """Balanced batches are the same ones in each epoch, which Accelerate's loader does not tell to
    the batch sampler that it wraps.

    (https://github.com/huggingface/accelerate/pull/3246).
    """
    from transformers.trainer_pt_utils import BatchRebalanceSampler

    wrap(BatchRebalanceSampler, "set_epoch", lambda original, sampler, epoch: None)


@fault("loop.batch-rebalance")
def balanced_batches_lose_an_example() -> None:
    """The costliest of the balanced batches lacks its last example."""
    from transformers.trainer_pt_utils import BatchRebalanceSampler

    def around(original: Any, sampler: Any, *rest: Any) -> Any:
        found = original(sampler, *rest)
        found[0][0] = found[0][0][:-1] or found[0][0]
        return found

    wrap(BatchRebalanceSampler, "_assign", around)
