"""Defects in going on from a checkpoint."""

import contextlib
from pathlib import Path
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _after_loading_optimizer(act: Any) -> None:
    def around(original: Any, trainer: Any, checkpoint: Any) -> Any:
        result = original(trainer, checkpoint)
        if checkpoint is not None:
            act(trainer)
        return result

    on_trainer("_load_optimizer_and_scheduler", around)


def _with_checkpoint(act: Any) -> None:
    """Call ``act(trainer, resume_from_checkpoint)`` for the argument that `train` really gets."""

    def around(
        original: Any, trainer: Any, resume_from_checkpoint: Any = None, **named: Any
    ) -> Any:
        return original(trainer, act(trainer, resume_from_checkpoint), **named)

    on_trainer("train", around)


@fault("resume.equals-uninterrupted")
def one_batch_too_many_skipped() -> None:
    """A resume skips one batch more than were trained on."""
    import transformers.trainer as trainer_module

    def around(original: Any, loader: Any, number: int = 0) -> Any:
        return original(loader, number + 1)

    wrap(trainer_module, "skip_first_batches", around)


@fault("resume.equals-uninterrupted")
def random_state_not_restored() -> None:
    """A resume leaves the random generators as they are."""
    on_trainer("_load_rng_state", lambda original, trainer, checkpoint: None)


@fault("resume.equals-uninterrupted")
def adapter_of_bfloat16_resumed() -> None:
    """The adapter passes through bfloat16 when it is resumed."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        original(trainer, *rest, **named)
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data.copy_(parameter.data.bfloat16())

    on_trainer("_load_from_checkpoint", around)


@fault("resume.restores-each")
def one_second_moment_lost() -> None:
    """One of the optimizer's second moments starts from zero again."""

    def lose(trainer: Any) -> None:
        optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
        next(iter(optimizer.state.values()))["exp_avg_sq"].zero_()

    _after_loading_optimizer(lose)


@fault("resume.restores-each")
def optimizer_steps_counted_anew() -> None:
    """The optimizer's bias correction starts anew."""

    def restart(trainer: Any) -> None:
        optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
        for state in optimizer.state.values():
            state["step"].zero_()

    _after_loading_optimizer(restart)


@fault("resume.restores-each")
def schedule_one_step_behind() -> None:
    """The scheduler resumes one step behind."""

    def lag(trainer: Any) -> None:
        trainer.lr_scheduler.last_epoch -= 1

    _after_loading_optimizer(lag)


@fault("resume.restores-each")
def adapter_not_loaded() -> None:
    """The adapter keeps the weights it was passed in with."""
    on_trainer("_load_from_checkpoint", lambda original, trainer, *rest, **named: None)


def _with_history(act: Any) -> None:
    """Call ``act(log_history)`` for what a checkpoint brings back of it."""
    from transformers.trainer_callback import TrainerState

    original = TrainerState.load_from_json

    def load(path: str) -> Any:
        state = original(path)
        act(state.log_history)
        return state

    TrainerState.load_from_json = staticmethod(load)


@fault("resume.restores-each")
def log_history_lost() -> None:
    """The log history starts anew."""
    _with_history(lambda history: history.clear())


@fault("resume.equals-uninterrupted")
def one_logged_rate_off() -> None:
    """One learning rate in the log history comes back one rounding off."""

    def nudge(history: list[dict[str, Any]]) -> None:
        for entry in history[:1]:
            entry["learning_rate"] *= 1 + 2**-52

    _with_history(nudge)


@fault("resume.path")
def latest_taken_instead_of_the_path() -> None:
    """A path resumes from the latest checkpoint beside it."""
    from transformers.trainer_utils import get_last_checkpoint

    def latest(_: Any, given: Any) -> Any:
        return get_last_checkpoint(Path(given).parent) if isinstance(given, str) else given

    _with_checkpoint(latest)


@fault("resume.path")
def adapter_of_the_first_checkpoint() -> None:
    """A path brings back its own state, and the adapter of the first checkpoint beside it."""

    def around(original: Any, trainer: Any, given: Any, *rest: Any, **named: Any) -> None:
        first = min(Path(given).parent.glob("checkpoint-*"), key=lambda path: len(path.name))
        original(trainer, str(first), *rest, **named)

    on_trainer("_load_from_checkpoint", around)


@fault("resume.true-takes-latest")
def last_by_the_alphabet() -> None:
    """`True` takes checkpoint-9 for later than checkpoint-10."""
    import transformers.trainer as trainer_module

    def by_name(_: Any, folder: Any) -> Any:
        return max(
            str(path) for path in Path(folder).glob("checkpoint-*") if path.name[-1].isdigit()
        )

    wrap(trainer_module, "get_last_checkpoint", by_name)


@fault("resume.true-takes-latest")
def last_by_the_clock() -> None:
    """`True` takes the checkpoint that was touched last."""
    import transformers.trainer as trainer_module

    def by_time(_: Any, folder: Any) -> Any:
        found = [path for path in Path(folder).glob("checkpoint-*") if path.name[-1].isdigit()]
        return str(max(found, key=lambda path: path.stat().st_mtime_ns))

    wrap(trainer_module, "get_last_checkpoint", by_time)


@fault("resume.none-and-false")
def resumes_without_being_asked() -> None:
    """Whatever checkpoint lies in the folder is resumed from."""
    from transformers.trainer_utils import get_last_checkpoint

    def find(trainer: Any, given: Any) -> Any:
        return given or get_last_checkpoint(trainer.args.output_dir)

    _with_checkpoint(find)


@fault("resume.none-and-false")
def false_takes_the_adapter_over() -> None:
    """`False` starts to count afresh, from the adapter of the latest checkpoint."""
    from transformers.trainer_utils import get_last_checkpoint

    def take(trainer: Any, given: Any) -> Any:
        if given is False and (last := get_last_checkpoint(trainer.args.output_dir)):
            trainer._load_from_checkpoint(last)
        return given

    _with_checkpoint(take)


@fault("resume.missing-refused")
def missing_checkpoint_ignored() -> None:
    """A checkpoint that is not there is passed over in silence."""

    def check(trainer: Any, given: Any) -> Any:
        return given if isinstance(given, str) and list(Path(given).glob("*.json")) else None

    _with_checkpoint(check)


@fault("resume.missing-refused")
def true_without_a_checkpoint_starts_afresh() -> None:
    """`True` in a folder without checkpoints is taken for `None`."""

    def check(trainer: Any, given: Any) -> Any:
        there = list(Path(trainer.args.output_dir).glob("checkpoint-*"))
        return None if given is True and not there else given

    _with_checkpoint(check)


@fault("resume.damaged-refused")
def damaged_optimizer_ignored() -> None:
    """An optimizer file that cannot be read is passed over in silence."""

    def around(original: Any, trainer: Any, checkpoint: Any) -> None:
        with contextlib.suppress(Exception):
            original(trainer, checkpoint)

    on_trainer("_load_optimizer_and_scheduler", around)


@fault("resume.damage-noticed")
def damaged_random_state_ignored() -> None:
    """A random state that cannot be read is passed over in silence."""

    def around(original: Any, trainer: Any, checkpoint: Any) -> None:
        with contextlib.suppress(Exception):
            original(trainer, checkpoint)

    on_trainer("_load_rng_state", around)


@fault("resume.after-failed-save")
def failed_save_ignored() -> None:
    """A checkpoint that cannot be written is passed over in silence."""

    def around(original: Any, trainer: Any, *rest: Any) -> None:
        with contextlib.suppress(Exception):
            original(trainer, *rest)

    on_trainer("_save_checkpoint", around)


@fault("resume.after-failed-save")
def older_checkpoint_goes_first() -> None:
    """The last checkpoint is removed before the next one is written."""
    import shutil

    from transformers.trainer_utils import get_last_checkpoint

    def around(original: Any, trainer: Any, *rest: Any) -> None:
        folder = trainer.args.output_dir
        last = get_last_checkpoint(folder) if Path(folder).is_dir() else None
        if last and Path(last, "trainer_state.json").exists():
            shutil.rmtree(last)
        original(trainer, *rest)

    on_trainer("_save_checkpoint", around)


@fault("resume.longer-schedule")
def planned_end_kept() -> None:
    """A resume keeps the number of steps that was planned at first."""

    def shorten(trainer: Any, given: Any) -> Any:
        if isinstance(given, str):
            trainer.args.num_train_epochs = 1.0
            trainer.args.max_steps = min(trainer.args.max_steps, 5)
        return given

    _with_checkpoint(shorten)


@fault("resume.after-kill")
def checkpoint_before_the_last_taken() -> None:
    """`True` takes the checkpoint before the last one where there are three."""
    import transformers.trainer as trainer_module

    def around(original: Any, folder: Any) -> Any:
        last = original(folder)
        whole = sorted(Path(folder).glob("checkpoint-*"))
        return str(whole[-2]) if len(whole) == 3 else last

    wrap(trainer_module, "get_last_checkpoint", around)
