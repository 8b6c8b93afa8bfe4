"""Defects in what the log says of a training."""

from typing import Any

from .registry import fault
from .seams import on_trainer


def _entries(act: Any) -> None:
    """Call ``act(trainer, entry)`` for each entry as it is put into the log history."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        act(trainer, trainer.state.log_history[-1])

    on_trainer("log", around)


@fault("loop.log-entries")
def epochs_rounded_as_printed() -> None:
    """Entries carry the epoch rounded to one decimal."""
    _entries(lambda _, entry: entry.update(epoch=round(entry["epoch"], 1)))


@fault("loop.log-entries")
def first_interval_a_thousandth_off() -> None:
    """The first logged mean of an interval of several steps is 0.1 % too large."""

    def act(trainer: Any, entry: dict[str, Any]) -> None:
        if "loss" in entry and entry["step"] == trainer.args.logging_steps > 1:
            entry["loss"] *= 1.001

    _entries(act)


@fault("loop.log-entries")
def last_entry_without_the_loss() -> None:
    """The entry at the end of training lacks the mean loss."""
    _entries(lambda _, entry: entry.pop("train_loss", None))


@fault("checkpoint.trainer-state")
def planned_steps_of_the_schedule_before() -> None:
    """The state of checkpoints says one step more than was planned."""
    from .seams import rewrite_json

    rewrite_json("trainer_state.json", lambda state: state.update(max_steps=state["max_steps"] + 1))


@fault("checkpoint.save-only-model")
def arguments_not_saved() -> None:
    """Checkpoints lack the training arguments."""
    from .seams import after_saving

    after_saving(lambda _, folder: (folder / "training_args.bin").unlink(missing_ok=True))


@fault("output.total-flos")
def flos_counted_twice_at_checkpoints() -> None:
    """What was computed since the last log is stored with a checkpoint, and once more after it."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        before = trainer.current_flos
        result = original(trainer, *rest, **named)
        trainer.current_flos = before
        return result

    on_trainer("_save_checkpoint", around)


@fault("output.total-flos")
def flos_without_the_adapter() -> None:
    """The parameters of the adapter are not counted."""
    from transformers import PreTrainedModel

    from .seams import wrap

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        return original(model, *rest, **named) - trained

    wrap(PreTrainedModel, "num_parameters", around)


@fault("output.metrics-values")
def runtime_since_construction() -> None:
    """The runtime and the speeds are measured from before the call."""
    import transformers.trainer as trainer_module

    from .seams import wrap

    def around(original: Any, split: str, start_time: float, *rest: Any, **named: Any) -> Any:
        return original(split, start_time - (1.0 if split == "train" else 0), *rest, **named)

    wrap(trainer_module, "speed_metrics", around)


@fault("output.metrics-values")
def samples_of_all_calls() -> None:
    """After a resume the examples trained on before it count as trained by this call."""
    from .output import _replace

    def diluted(metrics: dict[str, Any], trainer: Any) -> dict[str, Any]:
        steps = trainer.state.global_step
        share = steps / max(1, steps - trainer._initial_global_step)
        speed = metrics["train_samples_per_second"] * share
        return {**metrics, "train_samples_per_second": speed}

    _replace(metrics=diluted)
