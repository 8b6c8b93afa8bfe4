"""What is judged: the libraries as installed, and the Trainer class by its import path."""

import importlib
import logging
import os
import warnings


class SubjectError(ValueError):
    """The Trainer class named is none; the message says why."""


def prepare() -> None:
    """Import the libraries and settle what would make trainings differ: one thread, no chatter."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch

    torch.set_num_threads(1)
    for name in ("bitsandbytes", "transformers", "peft", "accelerate"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    for name in ("transformers", "peft", "accelerate"):
        importlib.import_module(name)
    transformers_logging = importlib.import_module("transformers.utils.logging")
    transformers_logging.disable_progress_bar()


def trainer_class(path: str) -> type:
    """The class at ``pkg.mod:Class``. Raises `SubjectError` when it is no Trainer."""
    module_name, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SubjectError(f"no Trainer class at {path!r}: {error}") from error
    trainer = importlib.import_module("transformers").Trainer
    if not (isinstance(found, type) and issubclass(found, trainer)):
        raise SubjectError(f"{path!r} is not a subclass of transformers.Trainer")
    return found
