"""Defects in the training loop."""

import types
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _after_making_optimizer(act: Any) -> None:
    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        optimizer = original(trainer, *rest, **named)
        act(optimizer, trainer)
        return optimizer

    on_trainer("create_optimizer", around)


@fault("loop.reference")
def beta_slightly_off() -> None:
    """AdamW's second beta is 0.998."""

    def act(optimizer: Any, _: Any) -> None:
        for group in optimizer.param_groups:
            group["betas"] = (group["betas"][0], 0.998)

    _after_making_optimizer(act)


@fault("loop.reference")
def one_gradient_a_thousandth_off() -> None:
    """The gradient of one adapter weight is 0.1 % too large."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        loss = original(trainer, model, *rest, **named)
        largest = max(
            (p.grad for p in model.parameters() if p.grad is not None), key=lambda g: g.norm()
        )
        largest.mul_(1.001)
        return loss

    on_trainer("training_step", around)


@fault("loop.step-count")
def one_step_too_few() -> None:
    """Training by epochs ends one step early."""
    from transformers.trainer_callback import DefaultFlowCallback

    def around(original: Any, flow: Any, args: Any, state: Any, control: Any, **named: Any) -> Any:
        control = original(flow, args, state, control, **named)
        if args.max_steps <= 0 and state.global_step >= state.max_steps - 1:
            control.should_training_stop = True
        return control

    wrap(DefaultFlowCallback, "on_step_end", around)


def _clipping(act: Any) -> None:
    from accelerate import Accelerator

    wrap(Accelerator, "clip_grad_norm_", act)


@fault("loop.clipping")
def clipped_a_hundredth_too_high() -> None:
    """Gradients are clipped at 1.01 times the limit."""

    def around(original: Any, accelerator: Any, parameters: Any, limit: float, *rest: Any) -> Any:
        return original(accelerator, parameters, limit * 1.01, *rest)

    _clipping(around)


@fault("loop.clipping")
def norm_after_clipping_logged() -> None:
    """The logged norm is the one after clipping."""

    def around(original: Any, accelerator: Any, parameters: Any, limit: float, *rest: Any) -> Any:
        return original(accelerator, parameters, limit, *rest).clamp(max=limit)

    _clipping(around)


@fault("loop.schedule")
def warmup_one_step_longer() -> None:
    """Warm-up lasts one step longer than asked for."""

    def around(original: Any, args: Any, steps: int) -> Any:
        asked = original(args, steps)
        return asked + 1 if asked else asked

    from transformers import TrainingArguments

    wrap(TrainingArguments, "get_warmup_steps", around)


@fault("loop.schedule")
def scheduler_steps_with_micro_batches() -> None:
    """The schedule runs over micro-batches instead of optimizer steps."""

    def around(
        original: Any, trainer: Any, num_training_steps: int, *rest: Any, **named: Any
    ) -> Any:
        steps = num_training_steps * trainer.args.gradient_accumulation_steps
        return original(trainer, steps, *rest, **named)

    on_trainer("create_scheduler", around)


@fault("loop.weight-decay")
def biases_decay() -> None:
    """Weight decay reaches biases and norms as well."""
    on_trainer(
        "get_decay_parameter_names",
        lambda original, trainer, model: [name for name, _ in model.named_parameters()],
    )


@fault("loop.weight-decay")
def nothing_decays() -> None:
    """Weight decay is set, and reaches nothing."""
    on_trainer("get_decay_parameter_names", lambda original, trainer, model: [])


@fault("loop.cadence")
def logged_one_step_late() -> None:
    """Logs come one step after the configured ones."""
    from transformers.trainer_callback import DefaultFlowCallback

    def around(original: Any, flow: Any, args: Any, state: Any, control: Any, **named: Any) -> Any:
        control = original(flow, args, state, control, **named)
        control.should_log = (
            state.logging_steps > 1 and state.global_step % state.logging_steps == 1
        )
        return control

    wrap(DefaultFlowCallback, "on_step_end", around)


@fault("loop.deterministic")
def seed_ignored() -> None:
    """The order of the data does not follow the seed."""
    from accelerate.data_loader import SeedableRandomSampler

    def around(original: Any, sampler: Any) -> Any:
        sampler.initial_seed = 0
        return original(sampler)

    wrap(SeedableRandomSampler, "__iter__", around)


@fault("loop.deterministic")
def one_generator_not_seeded() -> None:
    """The seed is set in torch and in numpy, and not in Python's own generator."""
    import random

    from transformers import trainer_utils

    unseeded = {**vars(random), "seed": lambda *_: None}
    trainer_utils.random = types.SimpleNamespace(**unseeded)


@fault("loop.deterministic")
def every_epoch_alike() -> None:
    """Every epoch has the order of the first."""
    from accelerate.data_loader import SeedableRandomSampler

    wrap(SeedableRandomSampler, "set_epoch", lambda original, sampler, epoch: original(sampler, 0))


@fault("loop.schedule")
def last_part_of_the_schedule_begins_early() -> None:
    """The decay of `warmup_stable_decay` begins a step early."""
    from transformers import optimization

    def around(original: Any, step: int, **named: Any) -> Any:
        return original(step + 1, **named)

    wrap(optimization, "_get_wsd_scheduler_lambda", around)


@fault("loop.schedule")
def time_scale_ignored() -> None:
    """`inverse_sqrt` takes no `timescale`, as in Transformers until pull request 44909."""
    from transformers import optimization

    def around(original: Any, *rest: Any, timescale: int, **named: Any) -> Any:
        return original(*rest, timescale=named["num_warmup_steps"] or 10_000, **named)

    wrap(optimization, "_get_inverse_sqrt_schedule_lr_lambda", around)


@fault("loop.schedule")
def warms_up_in_a_line_only() -> None:
    """`warmup_stable_decay` warms up in a line whatever its `warmup_type`."""
    from transformers import optimization

    def around(original: Any, step: int, **named: Any) -> Any:
        return original(step, **{**named, "warmup_type": "linear"})

    wrap(optimization, "_get_wsd_scheduler_lambda", around)


@fault("loop.reference")
def fused_optimizer_forgets_decay() -> None:
    """The fused AdamW is made without weight decay."""

    def act(optimizer: Any, trainer: Any) -> None:
        for group in optimizer.param_groups:
            if group.get("fused"):
                group["weight_decay"] = 0.0

    _after_making_optimizer(act)


@fault("loop.clipping")
def zero_clips_everything() -> None:
    """`max_grad_norm=0` clips at 1."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.args.max_grad_norm = trainer.args.max_grad_norm or 1.0
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("loop.deterministic")
def workers_seeded_by_their_number() -> None:
    """A loader's worker seeds its generators by its number, whatever the training's seed is."""
    from transformers import trainer, trainer_utils

    def around(original: Any, worker_id: int, *rest: Any, **named: Any) -> None:
        trainer_utils.set_seed(worker_id)

    wrap(trainer, "seed_worker", around)


@fault("loop.weight-decay")
def norms_of_queries_decay() -> None:
    """The norms of queries and keys are not told from other weights by their names."""

    def around(original: Any, trainer: Any, model: Any) -> Any:
        found = original(trainer, model)
        return [*found, *(n for n, _ in model.named_parameters() if ".q_norm." in n)]

    on_trainer("get_decay_parameter_names", around)
