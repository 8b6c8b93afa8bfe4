"""A fault of torch's FSDP 1 that shows on a CPU alone, worked around here and nowhere else.

Artefacts of the CPU: nobody meets them on a GPU, and none is a defect of the Trainer.
"""

import contextlib
from typing import Any


def keep_full_state_dicts_whole() -> None:
    """A full state dict with ``offload_to_cpu`` moves the flat parameter to the CPU and frees the
    device's storage. On a CPU that is the same storage, and what is read next is freed memory.
    """
    from torch.distributed.fsdp import _flat_param

    _flat_param.FlatParamHandle.to_cpu = _stay  # type: ignore[method-assign, assignment]


@contextlib.contextmanager
def _stay(_: Any) -> Any:
    yield
