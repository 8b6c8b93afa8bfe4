"""Defects in the Trainer's further arguments: counting, noise, batch sizes, columns, streams."""

from typing import Any

from .registry import fault
from .seams import adapter_weight, on_trainer, wrap


@fault("loop.arguments")
def counting_draws_a_number() -> None:
    """Counting tokens draws from the training's generator, and dropout or weights follow."""
    import torch

    def around(original: Any, trainer: Any, inputs: Any) -> Any:
        if trainer.args.include_num_input_tokens_seen not in ("no", False):
            held = [p for p in trainer.model.parameters() if p.grad is not None]
            held[-1].grad.mul_(1 + 1e-5 * torch.rand(()))
        return original(trainer, inputs)

    on_trainer("_track_num_input_tokens", around)


@fault("loop.tokens-seen")
def last_batch_not_counted() -> None:
    """The tokens of one micro-batch in five are not counted."""
    calls = []

    def around(original: Any, trainer: Any, inputs: Any) -> Any:
        calls.append(1)
        return None if len(calls) % 5 == 0 else original(trainer, inputs)

    on_trainer("_track_num_input_tokens", around)


@fault("loop.tokens-seen")
def padding_always_counted() -> None:
    """`non_padding` counts padding as well."""

    def around(original: Any, trainer: Any, inputs: Any) -> Any:
        if "attention_mask" in inputs:
            inputs = {**inputs, "attention_mask": inputs["attention_mask"] * 0 + 1}
        return original(trainer, inputs)

    on_trainer("_track_num_input_tokens", around)


def _noise(act: Any) -> None:
    import transformers.trainer as trainer_module

    wrap(trainer_module, "activate_neftune", act)


@fault("loop.neftune")
def noise_by_the_width_alone() -> None:
    """The noise is not divided by the root of the length."""

    def around(original: Any, model: Any, alpha: float, *rest: Any) -> Any:
        return original(model, alpha * 3, *rest)

    _noise(around)


@fault("loop.neftune")
def noise_a_twentieth_too_small() -> None:
    """The noise is 5 % too small."""

    def around(original: Any, model: Any, alpha: float, *rest: Any) -> Any:
        return original(model, alpha * 0.95, *rest)

    _noise(around)


@fault("loop.neftune")
def noise_in_evaluation() -> None:
    """Embeddings are noisy in evaluations as well."""
    from transformers.integrations import neftune

    def around(original: Any, module: Any, *rest: Any) -> Any:
        mode, module.training = module.training, True
        try:
            return original(module, *rest)
        finally:
            module.training = mode

    wrap(neftune, "neftune_post_forward_hook", around)


@fault("loop.neftune")
def noise_hook_left_behind() -> None:
    """The hook stays on the embedding when training has ended."""
    import transformers.trainer as trainer_module

    wrap(trainer_module, "deactivate_neftune", lambda original, *_, **__: None)


@fault("loop.auto-batch-size")
def out_of_memory_not_recognised() -> None:
    """An out-of-memory error is raised through instead of leading to a smaller batch."""
    from accelerate.utils import memory

    wrap(memory, "should_reduce_batch_size", lambda original, error: False)


@fault("loop.auto-batch-size")
def schedule_of_the_first_attempt() -> None:
    """The number of steps is that of the batch size which did not fit."""

    def around(original: Any, trainer: Any, args: Any, *rest: Any) -> Any:
        found = original(trainer, args, *rest)
        fewer = args.auto_find_batch_size and trainer._train_batch_size < 8
        return (*found[:-1], max(1, found[-1] - 1)) if fewer else found

    on_trainer("set_initial_training_values", around)


@fault("loop.auto-batch-size")
def size_found_not_restored() -> None:
    """A resume begins with the batch size asked for, not with the one that was found."""
    from transformers import TrainerState

    def around(original: Any, path: str) -> Any:
        state = original(path)
        state.train_batch_size = 8
        return state

    wrap(TrainerState, "load_from_json", around)


@fault("loop.columns")
def columns_never_removed() -> None:
    """Columns that the model does not take reach the collator."""
    on_trainer("_get_collator_with_removed_columns", lambda _, __, collator, *___, **____: collator)


@fault("loop.columns")
def columns_always_removed() -> None:
    """`remove_unused_columns=False` is not looked at."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        asked, trainer.args.remove_unused_columns = trainer.args.remove_unused_columns, True
        try:
            return original(trainer, *rest, **named)
        finally:
            trainer.args.remove_unused_columns = asked

    on_trainer("_get_collator_with_removed_columns", around)


@fault("loop.iterable")
def stream_not_begun_again() -> None:
    """Streamed data are gone through once, and training ends with them."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        result = original(trainer, *rest, **named)
        if not hasattr(trainer.train_dataset, "__len__"):
            trainer.control.should_training_stop = True
        return result

    on_trainer("_run_epoch", around)


@fault("loop.iterable")
def first_batch_of_a_stream_lost() -> None:
    """The first batch of streamed data is fetched to look at, and not trained on."""

    def around(original: Any, trainer: Any, iterator: Any, *rest: Any) -> Any:
        if not isinstance(trainer.train_dataset, list) and trainer.state.global_step == 0:
            next(iterator)
        return original(trainer, iterator, *rest)

    on_trainer("get_batch_samples", around)


@fault("loop.arguments")
def emptied_cache_takes_a_gradient_along() -> None:
    """Where `torch_empty_cache_steps` empties the cache, one adapter weight loses its gradient."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        every = trainer.args.torch_empty_cache_steps
        if every and trainer.state.global_step % every == 0:
            adapter_weight(model).grad.zero_()
        return loss

    on_trainer("training_step", around)


@fault("loop.columns")
def columns_of_the_wrapper_alone() -> None:
    """Which columns a model takes is read off the wrapper.

    (https://github.com/huggingface/transformers/pull/27865).
    """
    from inspect import signature

    def around(original: Any, trainer: Any) -> None:
        original(trainer)
        if hasattr(trainer.model, "peft_type"):
            named = signature(type(trainer.model).forward).parameters
            columns = [*named, "label", "label_ids", *trainer.label_names]
            trainer._signature_columns = columns

    on_trainer("_set_signature_columns_if_needed", around)


@fault("loop.setters")
def sampler_seed_seeds_the_training() -> None:
    """`set_dataloader(sampler_seed=…)` sets `seed`, and leaves `data_seed`."""
    from transformers import TrainingArguments

    def around(original: Any, arguments: Any, *rest: Any, **named: Any) -> Any:
        arguments.seed = named.pop("sampler_seed", None) or arguments.seed
        return original(arguments, *rest, **named)

    wrap(TrainingArguments, "set_dataloader", around)


@fault("loop.setters")
def delay_is_not_set() -> None:
    """`set_evaluate` leaves `eval_delay` as it was."""
    from transformers import TrainingArguments

    def around(original: Any, arguments: Any, *rest: Any, **named: Any) -> Any:
        before = arguments.eval_delay
        original(arguments, *rest, **named)
        arguments.eval_delay = before
        return arguments

    wrap(TrainingArguments, "set_evaluate", around)


@fault("loop.columns")
def columns_of_labels_removed() -> None:
    """Columns that `label_names` names are removed where the model does not take them."""

    def around(original: Any, trainer: Any) -> None:
        asked, trainer.label_names = trainer.label_names, []
        original(trainer)
        trainer.label_names = asked

    on_trainer("_set_signature_columns_if_needed", around)


@fault("loop.tokens-seen")
def padding_token_0_is_none() -> None:
    """A padding token whose number is 0 counts as none, and padding as tokens seen."""

    def around(original: Any, trainer: Any, inputs: Any) -> None:
        tokenizer = trainer.processing_class
        if tokenizer is not None and tokenizer.pad_token_id == 0:
            trainer.processing_class = None
        original(trainer, inputs)
        trainer.processing_class = tokenizer

    on_trainer("_track_num_input_tokens", around)
