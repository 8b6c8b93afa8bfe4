"""Defects in how training is called."""

import copy
from typing import Any

from .registry import fault
from .seams import on_trainer


@fault("signature.train-parameters")
def parameters_in_another_order() -> None:
    """`train` takes `trial` before `resume_from_checkpoint`."""
    from transformers import Trainer

    original = Trainer.train

    def train(
        self: Any,
        trial: Any = None,
        resume_from_checkpoint: Any = None,
        ignore_keys_for_eval: Any = None,
    ) -> Any:
        return original(self, resume_from_checkpoint, trial, ignore_keys_for_eval)

    Trainer.train = train


@fault("signature.import-path")
def config_becomes_a_function() -> None:
    """`peft.LoraConfig` is a function that makes one, and no class any more."""
    import peft

    original = peft.LoraConfig
    peft.LoraConfig = lambda **arguments: original(**arguments)


@fault("signature.model-at-init")
def the_model_is_copied() -> None:
    """The Trainer trains a copy of the model that was passed in."""

    def around(original: Any, trainer: Any, model: Any = None, *rest: Any, **named: Any) -> Any:
        return original(trainer, copy.deepcopy(model), *rest, **named)

    on_trainer("__init__", around)
