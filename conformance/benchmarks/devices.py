"""The device of a measurement, as far as measuring differs between devices."""

import resource
import sys
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Device:
    """``cuda``, or ``cpu`` on which figures mean nothing and only the way is tried."""

    name: str

    @property
    def torch(self) -> torch.device:
        """As torch names it: the current card of several."""
        if self.name == "cuda":
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device(self.name)

    def synchronise(self) -> None:
        """Wait until the device has done all it was told."""
        if self.name == "cuda":
            torch.cuda.synchronize()

    def agreed(self, steps: int) -> int:
        """The largest number that any process of this training has; its own where it is alone."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return steps
        found = torch.tensor(steps, device=self.torch)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return int(found)

    def forget_peak(self) -> None:
        """What was held at most counts from now on; a CPU's process keeps its whole life's."""
        if self.name == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> dict[str, int]:
        """Bytes held at most: allocated and reserved on a card, else the process's resident set."""
        if self.name == "cuda":
            return {
                "peak_allocated": torch.cuda.max_memory_allocated(),
                "peak_reserved": torch.cuda.max_memory_reserved(),
            }
        unit = 1 if sys.platform == "darwin" else 1024
        return {"peak_resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}

    def held(self) -> dict[str, int]:
        """Bytes in use and in all on a card right now; nothing on a CPU."""
        if self.name != "cuda":
            return {}
        free, total = torch.cuda.mem_get_info()
        return {"memory_free": free, "memory_total": total}
