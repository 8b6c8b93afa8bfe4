"""Two faults of torch's FSDP 1 that show on a CPU alone, worked around here and nowhere else.

Both copy "to the CPU" what is there already, and go on with the original's storage. They are
artefacts of the CPU: nobody meets them on a GPU, and neither is a defect of the Trainer.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


def copy_where_torch_only_refers() -> None:
    """Patch torch's FSDP 1 for this process.

    A full state dict with ``offload_to_cpu`` frees the flat parameter's storage once it has been
    moved, and reads freed memory here; the moments of an optimizer's state are gathered into one
    buffer in turn, and each is the last one here.
    """
    from torch.distributed.fsdp import _flat_param, _optim_utils

    _flat_param.FlatParamHandle.to_cpu = _stay  # type: ignore[method-assign, assignment]
    original = getattr(_optim_utils, "_unflatten_orig_param_states", None)
    if original is not None and not hasattr(original, "copies"):

        def copying(info: Any, states: Any, name: str, *rest: Any) -> None:
            for held in states.values():
                if torch.is_tensor(held.get(name)):
                    held[name] = held[name].clone()
            original(info, states, name, *rest)

        copying.copies = True  # type: ignore[attr-defined]
        _optim_utils._unflatten_orig_param_states = copying  # type: ignore[assignment]


@contextlib.contextmanager
def _stay(_: Any) -> Iterator[None]:
    yield
