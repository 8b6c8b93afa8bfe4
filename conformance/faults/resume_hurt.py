"""Defects in what becomes of a training that was hurt: another's checkpoint, a signal, no room."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from .registry import fault
from .seams import on_event, on_trainer, wrap


def _misfits_passed_over() -> dict[str, str]:
    """Let a checkpoint whose adapter does not fit be passed over; says why, once it happened."""
    why: dict[str, str] = {}

    def load(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        try:
            original(trainer, *rest, **named)
        except RuntimeError as error:
            why["it"] = str(error)

    def load_optimizer(original: Any, trainer: Any, checkpoint: Any) -> None:
        if not why:
            original(trainer, checkpoint)

    on_trainer("_load_from_checkpoint", load)
    on_trainer("_load_optimizer_and_scheduler", load_optimizer)
    return why


@fault("resume.other-checkpoint")
def misfits_start_afresh() -> None:
    """An adapter of another rank is passed over, and so is the optimizer's state beside it."""
    _misfits_passed_over()


@fault("resume.other-checkpoint")
def misfits_noticed_late() -> None:
    """An adapter of another rank is an error after a step has been taken with a fresh one."""
    why = _misfits_passed_over()

    def notice(_: Any, __: Any) -> None:
        if why:
            raise RuntimeError(why["it"])

    on_event("on_save", notice)


@fault("resume.damage-noticed")
def later_state_loses_its_history() -> None:
    """Of a state with keys that this release does not know, the log history is not read either."""
    from transformers.trainer_callback import TrainerState

    original = TrainerState.load_from_json

    def load(path: str) -> Any:
        try:
            return original(path)
        except TypeError:
            held = json.loads(Path(path).read_text(encoding="utf-8"))
            known = {field.name for field in dataclasses.fields(TrainerState)}
            kept = {name: value for name, value in held.items() if name in known}
            return TrainerState(**{**kept, "log_history": []})

    TrainerState.load_from_json = staticmethod(load)


@fault("resume.damage-noticed")
def wider_files_pass_through_half_precision() -> None:
    """An adapter whose file is in float64 passes through float16 when it is loaded."""
    import torch
    from safetensors.torch import load_file

    def load(original: Any, trainer: Any, folder: str, *rest: Any, **named: Any) -> None:
        original(trainer, folder, *rest, **named)
        held = load_file(f"{folder}/adapter_model.safetensors")
        wide = any(tensor.dtype == torch.float64 for tensor in held.values())
        for parameter in trainer.model.parameters():
            if wide and parameter.requires_grad:
                parameter.data = parameter.data.half().float()

    on_trainer("_load_from_checkpoint", load)


@fault("resume.just-in-time")
def sigterm_not_listened_for() -> None:
    """No handler for SIGTERM is put in place."""
    from transformers.trainer_jit_checkpoint import CheckpointManager

    wrap(CheckpointManager, "setup_signal_handler", lambda original, manager: None)


@fault("resume.just-in-time")
def trains_on_after_sigterm() -> None:
    """The checkpoint is written, and the training goes on to its planned end."""
    from transformers.trainer_jit_checkpoint import JITCheckpointCallback

    def around(
        original: Any, callback: Any, args: Any, state: Any, control: Any, **seen: Any
    ) -> Any:
        result = original(callback, args, state, control, **seen)
        control.should_training_stop = False
        return result

    wrap(JITCheckpointCallback, "on_step_begin", around)


@fault("resume.just-in-time")
def told_to_end_saves_weights_alone() -> None:
    """A checkpoint on SIGTERM lacks the optimizer's state."""
    from transformers.trainer_jit_checkpoint import CheckpointManager

    def around(original: Any, manager: Any) -> None:
        original(manager)
        for file in Path(manager.trainer.args.output_dir).glob("checkpoint-*/optimizer.pt"):
            file.unlink()

    wrap(CheckpointManager, "execute_jit_checkpoint", around)


@fault("resume.just-in-time")
def sigterm_left_to_the_handler() -> None:
    """The handler that was put in place for SIGTERM stays after the training."""
    from transformers.trainer_jit_checkpoint import JITCheckpointCallback

    wrap(JITCheckpointCallback, "on_train_end", lambda original, *rest, **named: None)
