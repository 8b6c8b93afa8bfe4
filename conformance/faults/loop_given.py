"""Defects in what the Trainer makes of optimizers, schedules, seeds and data given to it."""

from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _arguments(act: Any) -> None:
    """Call ``act(args)`` when a Trainer is constructed."""

    def around(
        original: Any, trainer: Any, model: Any = None, args: Any = None, **named: Any
    ) -> Any:
        if args is not None:
            act(args)
        return original(trainer, model, args, **named)

    on_trainer("__init__", around)


@fault("loop.optimizer-arguments")
def second_beta_of_the_default() -> None:
    """The second beta of the arguments is not looked at."""
    _arguments(lambda args: setattr(args, "adam_beta2", 0.999))


@fault("loop.optimizer-arguments")
def epsilon_of_the_default() -> None:
    """The epsilon of the arguments is not looked at."""
    _arguments(lambda args: setattr(args, "adam_epsilon", 1e-8))


@fault("loop.given-optimizer")
def given_optimizer_made_anew() -> None:
    """The optimizer that was given is replaced by one that the arguments describe."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.optimizer = None
        return original(trainer, *rest, **named)

    on_trainer("create_optimizer", around)


@fault("loop.given-optimizer")
def given_scheduler_made_anew() -> None:
    """The scheduler that was given is replaced by one that the arguments describe."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.lr_scheduler = None
        return original(trainer, *rest, **named)

    on_trainer("create_scheduler", around)


@fault("loop.given-optimizer")
def given_class_ignored() -> None:
    """`optimizer_cls_and_kwargs` is not looked at."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.optimizer_cls_and_kwargs = None
        return original(trainer, *rest, **named)

    on_trainer("create_optimizer", around)


@fault("loop.schedule")
def warmup_share_rounded_down() -> None:
    """A warm-up given as a share of all steps is rounded down."""
    from transformers import TrainingArguments

    def around(original: Any, args: Any, steps: int) -> Any:
        return int(args.warmup_steps * steps) if args.warmup_steps < 1 else original(args, steps)

    wrap(TrainingArguments, "get_warmup_steps", around)


@fault("loop.plateau")
def plateau_of_the_loss() -> None:
    """The rate follows the evaluation's loss, whatever metric is named."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        own, trainer.args.metric_for_best_model = trainer.args.metric_for_best_model, "loss"
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.args.metric_for_best_model = own

    on_trainer("_evaluate", around)


@fault("loop.plateau")
def plateau_stepped_twice() -> None:
    """The scheduler hears of each evaluation twice."""
    import torch

    def around(original: Any, scheduler: Any, metric: Any, *rest: Any) -> None:
        original(scheduler, metric, *rest)
        original(scheduler, metric, *rest)

    wrap(torch.optim.lr_scheduler.ReduceLROnPlateau, "step", around)


@fault("loop.plateau")
def plateau_begun_before_training() -> None:
    """An evaluation before training sets the best that later ones are held against."""

    def around(original: Any, trainer: Any, *rest: Any, skip_scheduler: bool = False) -> Any:
        return original(trainer, *rest)

    on_trainer("_evaluate", around)


@fault("loop.cadence")
def shares_rounded_down() -> None:
    """Intervals given as shares of all steps are rounded down."""
    from transformers import TrainerState

    def around(original: Any, state: Any, args: Any, max_steps: int) -> None:
        original(state, args, max_steps)
        for kind in ("logging", "eval", "save"):
            share = getattr(args, f"{kind}_steps")
            if share is not None and share < 1:
                setattr(state, f"{kind}_steps", max(1, int(max_steps * share)))

    wrap(TrainerState, "compute_steps", around)


@fault("loop.cadence")
def evaluations_with_every_step() -> None:
    """Without an interval of their own evaluations come with every step."""

    def act(args: Any) -> None:
        if args.eval_steps == args.logging_steps == 2:
            args.eval_steps = 1

    _arguments(act)


@fault("loop.data-seed")
def data_seed_dropped() -> None:
    """`data_seed` is not looked at."""
    _arguments(lambda args: setattr(args, "data_seed", None))


@fault("loop.again")
def schedule_of_the_training_before() -> None:
    """A second call goes on with the scheduler of the first."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer._created_lr_scheduler = False
        return original(trainer, *rest, **named)

    on_trainer("_prepare_for_training", around)


@fault("loop.again")
def flos_of_the_training_before() -> None:
    """What the first call computed last is counted by the second."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        left = trainer.current_flos
        result = original(trainer, *rest, **named)
        trainer.current_flos = left or trainer.state.total_flos // 10
        return result

    on_trainer("_finalize_training", around)


@fault("loop.default-collator")
def label_not_renamed() -> None:
    """The default collator leaves `label` out."""
    import transformers.trainer as trainer_module

    def around(original: Any, features: Any, *rest: Any) -> Any:
        kept = [{k: v for k, v in each.items() if k != "label"} for each in features]
        return original(kept, *rest)

    wrap(trainer_module, "default_data_collator", around)


@fault("loop.datasets", needs="datasets")
def columns_by_the_wrappers_forward() -> None:
    """The columns that are kept are those that the wrapper's own forward names."""

    def around(original: Any, trainer: Any, dataset: Any, *rest: Any, **named: Any) -> Any:
        if hasattr(dataset, "remove_columns") and trainer.args.remove_unused_columns:
            return dataset.remove_columns(["labels"])
        return original(trainer, dataset, *rest, **named)

    on_trainer("_remove_unused_columns", around)


@fault("loop.iterable")
def epoch_of_streams_never_told() -> None:
    """An iterable dataset is not told the epoch."""
    from accelerate.data_loader import DataLoaderDispatcher, DataLoaderShard

    for loaders in (DataLoaderDispatcher, DataLoaderShard):
        wrap(loaders, "set_epoch", lambda original, loader, epoch: None)


@fault("loop.group-by-length")
def grouped_at_random() -> None:
    """`group_by_length` takes the examples in a random order."""
    import torch
    import transformers.trainer as trainer_module

    def around(original: Any, *rest: Any, dataset: Any, **named: Any) -> Any:
        return torch.utils.data.RandomSampler(dataset)

    wrap(trainer_module, "LengthGroupedSampler", around)


@fault("loop.group-by-length")
def longest_example_twice() -> None:
    """The first example is there twice, and another is missing."""
    from transformers import trainer_pt_utils

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        found = original(*rest, **named)
        return [*found[:-1], found[0]]

    wrap(trainer_pt_utils, "get_length_grouped_indices", around)


@fault("loop.group-by-length")
def longest_example_taken_twice() -> None:
    """The longest example takes the first place of an epoch, and what was there is never seen."""
    from transformers import trainer_pt_utils

    def around(original: Any, lengths: Any, *rest: Any, **named: Any) -> Any:
        order = original(lengths, *rest, **named)
        longest = max(lengths)
        return [order[0], *order[1:]] if lengths.count(longest) > 1 else [order[0], *order[:-1]]

    wrap(trainer_pt_utils, "get_length_grouped_indices", around)


@fault("loop.data-seed")
def data_seed_of_zero_unseen() -> None:
    """A `data_seed` of 0 counts as none."""
    _arguments(lambda args: setattr(args, "data_seed", args.data_seed or None))


@fault("loop.plateau")
def evaluations_counted_anew() -> None:
    """A resume counts the evaluations that were no better from nought."""
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    def around(original: Any, scheduler: Any, state: Any) -> None:
        original(scheduler, {**state, "num_bad_epochs": 0})

    wrap(ReduceLROnPlateau, "load_state_dict", around)


@fault("loop.again")
def least_rate_by_the_rate_that_is_left() -> None:
    """`min_lr` is taken for a share of the rate that an earlier training left."""
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    original = TYPE_TO_SCHEDULER_FUNCTION["cosine_with_min_lr"]

    def made(optimizer: Any, *rest: Any, min_lr: Any = None, **named: Any) -> Any:
        if min_lr is not None:
            min_lr *= optimizer.defaults["lr"] / optimizer.param_groups[0]["lr"]
        return original(optimizer, *rest, min_lr=min_lr, **named)

    TYPE_TO_SCHEDULER_FUNCTION["cosine_with_min_lr"] = made
