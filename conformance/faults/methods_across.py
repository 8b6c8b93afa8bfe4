"""Defects that peft had in what an adapter is in another process."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("methods.across-releases")
def projections_by_a_hash() -> None:
    """TinyLoRA draws its projections by the hash of a name, which is another one in each process.

    (https://github.com/huggingface/peft/pull/3180).
    """
    from peft.tuners.tinylora.layer import TinyLoraLayer

    def around(original: Any, layer: Any, name: str, seed: int) -> int:
        return int(original(layer, name, seed)) + hash(name) % 10000

    wrap(TinyLoraLayer, "_get_layer_seed", around)
