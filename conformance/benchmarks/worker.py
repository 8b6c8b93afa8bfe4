"""``python -m conformance.benchmarks.worker ORDER RESULT``: one measurement in a fresh process.

Both are files of JSON. Nothing needs the network; the process ends with the one that started it.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

FULL = 3
"""The exit status where the memory does not suffice."""


def main() -> None:
    """Measure, and write what was found, or why there is nothing; of several ranks the first."""
    from conformance.leaving import end_with_the_parent

    if "RANK" not in os.environ:  # a launcher in between ends its ranks itself
        end_with_the_parent()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if asked["device"] == "cpu":  # one thread, before torch starts more than there are cores
        os.environ |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    from conformance.benchmarks.measuring import Order, measure
    from conformance.compat import Unavailable

    _take_own_card(asked["device"])
    folder = Path(sys.argv[2]).with_name("checkpoints")
    try:
        answer = asdict(measure(Order.from_json(asked), folder))
    except Unavailable as reason:
        answer = {"unavailable": str(reason)}
    full = bool(answer.get("full"))
    if full or os.environ.get("RANK", "0") == "0":
        Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
    if full:  # the other ranks wait for this one, until their launcher sees it fail
        os._exit(FULL)


def _take_own_card(device: str) -> None:
    """Each rank of a launch has a card of its own, before anything is made on one."""
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        import torch

        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


if __name__ == "__main__":
    main()
