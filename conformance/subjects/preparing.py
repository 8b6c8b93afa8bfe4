"""The process that judges: libraries imported, quiet, on one thread."""

import functools
import importlib
import logging
import os
import warnings

from conformance import compat


def prepare() -> None:
    """Import the libraries and settle what would make trainings differ: one thread, no chatter."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    quieten()
    import torch

    torch.set_num_threads(1)
    compat.hide_broken("bitsandbytes")
    for name in ("transformers.trainer", "peft", "accelerate"):  # the first brings `datasets`
        importlib.import_module(name)
    importlib.import_module("transformers.utils.logging").disable_progress_bar()
    _compile_templates_once()


def _compile_templates_once() -> None:
    """Remember compiled Jinja templates: peft compiles the same model card at every save, which is
    a seventh of the time of a training that saves. What the card says stays the library's.
    """
    from jinja2 import Environment

    if not hasattr(Environment.compile, "cache_info"):
        Environment.compile = functools.lru_cache(Environment.compile)  # type: ignore[method-assign, assignment]


def quieten() -> None:
    """Keep the libraries' warnings off the terminal; observations hear them all the same."""
    for name in ("bitsandbytes", "transformers", "peft", "accelerate", "trl", "datasets"):
        logging.getLogger(name).addHandler(logging.NullHandler())
