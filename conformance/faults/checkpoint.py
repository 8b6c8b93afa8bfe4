"""Defects in what is written."""

from typing import Any

from .registry import fault
from .seams import after_saving, frozen_weight, on_trainer, rewrite_adapter, rewrite_json, wrap


def _some(content: dict[str, Any], mark: str) -> str:
    return next(name for name in content if mark in name)


@fault("checkpoint.adapter-only")
def a_base_weight_on_disk() -> None:
    """A base weight is saved along, in a file of its own."""
    import torch

    after_saving(lambda trainer, folder: torch.save(frozen_weight(trainer.model), folder / "x.pt"))


@fault("checkpoint.complete")
def one_tensor_not_written() -> None:
    """One adapter tensor is missing from the checkpoint."""
    rewrite_adapter(lambda held: {k: v for k, v in held.items() if k != _some(held, "lora_B")})


@fault("checkpoint.complete")
def one_tensor_in_half_precision() -> None:
    """One adapter tensor is written in bfloat16."""
    rewrite_adapter(lambda held: {**held, (n := _some(held, "lora_A")): held[n].bfloat16()})


@fault("checkpoint.size")
def checkpoint_grows_with_the_base() -> None:
    """Every checkpoint holds a byte for each parameter of the base."""

    def grow(trainer: Any, folder: Any) -> None:
        count = sum(parameter.numel() for parameter in trainer.model.parameters())
        with (folder / "optimizer.pt").open("ab") as file:
            file.write(bytes(count))

    after_saving(grow)


@fault("checkpoint.optimizer-state-only-adapter")
def optimizer_state_for_the_base() -> None:
    """The saved optimizer holds moments of a base parameter."""
    import torch

    def add(trainer: Any, folder: Any) -> None:
        file = folder / "optimizer.pt"
        if file.exists():
            content = torch.load(file, weights_only=True)
            weight = frozen_weight(trainer.model).detach()
            content["state"][len(content["state"])] = {"exp_avg": weight, "exp_avg_sq": weight}
            torch.save(content, file)

    after_saving(add)


@fault("checkpoint.cadence")
def saved_one_step_late() -> None:
    """Checkpoints by steps are written one step after the configured ones."""
    from transformers.trainer_callback import DefaultFlowCallback

    def around(original: Any, flow: Any, args: Any, state: Any, control: Any, **named: Any) -> Any:
        control = original(flow, args, state, control, **named)
        if args.save_strategy == "steps" and state.save_steps > 1:
            control.should_save = state.global_step % state.save_steps == 1
        return control

    wrap(DefaultFlowCallback, "on_step_end", around)


def _limit(change: int) -> None:
    import transformers.trainer as trainer_module

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        limit = named.get("save_total_limit")
        return original(*rest, **{**named, "save_total_limit": limit and limit + change})

    wrap(trainer_module, "rotate_checkpoints", around)


@fault("checkpoint.total-limit")
def one_checkpoint_too_many_kept() -> None:
    """`save_total_limit` keeps one checkpoint more than it says."""
    _limit(1)


@fault("checkpoint.total-limit")
def best_checkpoint_deleted() -> None:
    """Rotation forgets which checkpoint is the best one."""
    import transformers.trainer as trainer_module

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        return original(*rest, **{**named, "best_model_checkpoint": None})

    wrap(trainer_module, "rotate_checkpoints", around)


@fault("checkpoint.round-trip")
def saved_weight_a_millionth_off() -> None:
    """One saved adapter value is off by a millionth."""
    rewrite_adapter(lambda held: {**held, (n := _some(held, "lora_A")): held[n] * (1 + 1e-6)})


@fault("checkpoint.config-round-trip")
def saved_config_with_another_alpha() -> None:
    """The saved config has another `lora_alpha` than was trained with."""
    rewrite_json("adapter_config.json", lambda c: c.update(lora_alpha=c["lora_alpha"] + 1))


@fault("checkpoint.config-round-trip")
def saved_config_without_rank_pattern() -> None:
    """The saved config has lost the ranks that differ."""
    rewrite_json("adapter_config.json", lambda content: content.update(rank_pattern={}))


@fault("checkpoint.named-and-multiple")
def named_adapters_at_the_top() -> None:
    """Named adapters are written to the top of the checkpoint."""

    def lift(_: Any, folder: Any) -> None:
        for file in list(folder.glob("*/adapter_*")):
            file.rename(folder / file.name)

    after_saving(lift)


@fault("checkpoint.trainer-state")
def saved_epoch_a_step_behind() -> None:
    """The saved state is at the epoch of the step before."""

    def lag(content: dict[str, Any]) -> None:
        content["epoch"] *= 1 - 1 / (content["global_step"] + 1)

    rewrite_json("trainer_state.json", lag)


@fault("checkpoint.trainer-state")
def last_log_not_saved() -> None:
    """The last entry of the log history is not in the saved state."""
    rewrite_json("trainer_state.json", lambda content: content["log_history"].pop())


@fault("checkpoint.save-only-model")
def scheduler_saved_all_the_same() -> None:
    """`save_only_model` still writes the scheduler."""
    after_saving(lambda trainer, folder: (folder / "scheduler.pt").touch())


@fault("checkpoint.best-model")
def last_model_taken_for_the_best() -> None:
    """`load_best_model_at_end` does not load anything."""
    on_trainer("_load_best_model", lambda original, trainer: None)


@fault("checkpoint.best-model")
def best_model_loaded_for_inference() -> None:
    """The best adapter is loaded frozen."""

    def around(original: Any, trainer: Any) -> None:
        original(trainer)
        for parameter in trainer.model.parameters():
            parameter.requires_grad_(False)

    on_trainer("_load_best_model", around)


@fault("checkpoint.final-save")
def final_save_a_millionth_off() -> None:
    """What `save_model()` writes is off by a millionth in one value."""
    from pathlib import Path

    from safetensors.torch import load_file, save_file

    def around(original: Any, trainer: Any, folder: Any = None, *rest: Any, **named: Any) -> Any:
        original(trainer, folder, *rest, **named)
        for file in Path(folder).glob("adapter_model.safetensors"):
            held = load_file(file)
            held[_some(held, "lora_A")].mul_(1 + 1e-6)
            save_file(held, file, metadata={"format": "pt"})

    on_trainer("save_model", around)


def _comparing(act: Any) -> None:
    """Let ``act(metrics)`` change what an evaluation's metrics are compared by."""

    def around(original: Any, trainer: Any, metrics: Any, trial: Any) -> Any:
        return original(trainer, act(trainer, metrics), trial)

    on_trainer("_determine_best_metric", around)


@fault("checkpoint.best-model")
def as_good_counts_as_better() -> None:
    """The last of several equal bests is taken, not the first."""

    def act(trainer: Any, metrics: Any) -> Any:
        name = f"eval_{trainer.args.metric_for_best_model.removeprefix('eval_')}"
        if metrics.get(name) == trainer.state.best_metric:
            trainer.state.best_metric = None
        return metrics

    _comparing(act)


@fault("checkpoint.best-model")
def lower_is_always_better() -> None:
    """`greater_is_better` defaults to False whatever the metric's name."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        if "loss" not in str(trainer.args.metric_for_best_model):
            trainer.args.greater_is_better = False
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("checkpoint.best-metric-missing")
def missing_metric_taken_for_zero() -> None:
    """A metric that is not there counts as 0."""

    def act(trainer: Any, metrics: Any) -> Any:
        return {f"eval_{trainer.args.metric_for_best_model}": 0.0, **metrics}

    _comparing(act)


@fault("checkpoint.cadence")
def last_steps_not_saved() -> None:
    """Where the number of steps is no multiple of `save_steps`, the last ones are not saved.

    (https://github.com/huggingface/transformers/issues/28539).
    """
    from transformers.trainer_callback import DefaultFlowCallback

    def around(
        original: Any, callback: Any, args: Any, state: Any, *rest: Any, **named: Any
    ) -> Any:
        control = original(callback, args, state, *rest, **named)
        if str(args.save_strategy) == "steps" or args.save_strategy == "steps":
            control.should_save = state.global_step % state.save_steps == 0
        return control

    wrap(DefaultFlowCallback, "on_step_end", around)
