"""The process that judges: libraries imported, quiet, on one thread."""

import importlib
import logging
import os
import warnings


def prepare() -> None:
    """Import the libraries and settle what would make trainings differ: one thread, no chatter."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    quieten()
    import torch

    torch.set_num_threads(1)
    for name in ("transformers", "peft", "accelerate"):
        importlib.import_module(name)
    importlib.import_module("transformers.utils.logging").disable_progress_bar()


def quieten() -> None:
    """Keep the libraries' warnings off the terminal; observations hear them all the same."""
    for name in ("bitsandbytes", "transformers", "peft", "accelerate", "trl", "datasets"):
        logging.getLogger(name).addHandler(logging.NullHandler())
