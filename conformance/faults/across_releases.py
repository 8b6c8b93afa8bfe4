"""Defects in reading what earlier releases wrote, unseen in what this release writes itself."""

import json
from pathlib import Path
from typing import Any

from .registry import fault
from .seams import on_trainer, wrap


def _is_older(config: dict[str, Any]) -> bool:
    """Whether it was saved before peft wrote its version into configs."""
    return "peft_version" not in config


@fault("checkpoint.across-releases")
def scaling_of_older_configs_misread() -> None:
    """A config that does not name its peft is read by a meaning that `lora_alpha` never had."""
    from peft.config import PeftConfigMixin

    def around(original: Any, path: Any, **named: Any) -> Any:
        config = original(path, **named)
        return {**config, "lora_alpha": 2 * config["lora_alpha"]} if _is_older(config) else config

    wrap(PeftConfigMixin, "from_json_file", around)


@fault("checkpoint.across-releases")
def tensor_of_older_adapters_passed_over() -> None:
    """Of a file beside a config that does not name its peft, one tensor is not loaded."""
    import peft.peft_model as module

    def around(original: Any, folder: Any, *rest: Any, **named: Any) -> Any:
        held = original(folder, *rest, **named)
        config = json.loads(Path(folder, "adapter_config.json").read_text(encoding="utf-8"))
        return dict(sorted(held.items())[1:]) if _is_older(config) else held

    wrap(module, "load_peft_weights", around)


@fault("resume.across-releases")
def step_of_older_states_forgotten() -> None:
    """A trainer's state that lacks a field of today's is taken for a new training's."""
    from transformers.trainer_callback import TrainerState

    def around(original: Any, path: str) -> Any:
        state = original(path)
        if "best_global_step" not in json.loads(Path(path).read_text(encoding="utf-8")):
            state.global_step = 0
        return state

    wrap(TrainerState, "load_from_json", around)


@fault("resume.across-releases")
def moments_of_older_checkpoints_not_restored() -> None:
    """The optimizer starts anew from a checkpoint whose config does not name its peft."""

    def around(original: Any, trainer: Any, checkpoint: Any) -> None:
        original(trainer, checkpoint)
        config = Path(checkpoint or "", "adapter_config.json")
        if checkpoint and _is_older(json.loads(config.read_text(encoding="utf-8"))):
            trainer.optimizer.state.clear()

    on_trainer("_load_optimizer_and_scheduler", around)
