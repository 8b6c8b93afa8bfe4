"""What is judged: the libraries as installed, and the Trainer class by its import path."""

import importlib
import logging
import os
import warnings

from conformance import compat


class SubjectError(ValueError):
    """The Trainer class named is none; the message says why."""


def prepare() -> None:
    """Import the libraries and settle what would make trainings differ: one thread, no chatter."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    _quieten()
    import torch

    torch.set_num_threads(1)
    compat.hide_broken("bitsandbytes")
    for name in ("transformers", "peft", "accelerate"):
        importlib.import_module(name)
    importlib.import_module("transformers.utils.logging").disable_progress_bar()


def trainer_class(path: str) -> type:
    """The class at ``package.module:Class``. Raises `SubjectError` when it is no Trainer."""
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise SubjectError(f"trainer {path!r} is not of the form package.module:Class")
    _quieten()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        why = f"{module_name} cannot be imported: {type(error).__name__}: {first_line}"
        raise SubjectError(f"trainer {path!r}: {why}") from error
    found = getattr(module, name, None)
    if found is None:
        raise SubjectError(f"trainer {path!r}: {module_name} has no {name}")
    trainer = importlib.import_module("transformers").Trainer
    if not (isinstance(found, type) and issubclass(found, trainer)):
        raise SubjectError(f"trainer {path!r} is not a subclass of transformers.Trainer")
    return found


def _quieten() -> None:
    """Keep the libraries' warnings off the terminal; observations hear them all the same."""
    for name in ("bitsandbytes", "transformers", "peft", "accelerate"):
        logging.getLogger(name).addHandler(logging.NullHandler())
