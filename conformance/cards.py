"""The cards of this machine, asked of ``nvidia-smi`` and of torch in a process of its own.

This process never initialises CUDA: what it forks later could not use a card any more.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import median

from conformance.device import take_all_cards
from conformance.redacting import redacted

_ASK_TORCH = """
import json, torch
found = {"build": torch.__version__, "cuda": torch.version.cuda or "", "count": 0, "names": []}
try:
    if torch.cuda.is_available():
        found["count"] = torch.cuda.device_count()
        found["names"] = [torch.cuda.get_device_name(n) for n in range(found["count"])]
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""
QUERIED = (
    "name",
    "driver_version",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "clocks.sm",
    "clocks.max.sm",
    "power.draw",
    "power.limit",
    "temperature.gpu",
    "mig.mode.current",
)
IDLE_MIB = 1024
"""What a driver may hold for itself on a card that nobody uses."""
IDLE_SHARE = 10
"""Percent of a card's time that may be in use before it counts as such."""
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Card:
    """One look at one card: ``read`` maps what was asked of nvidia-smi to its words."""

    read: Mapping[str, str]

    def number(self, name: str) -> float | None:
        """A value as a number; `None` where the card does not tell."""
        try:
            return float(self.read.get(name, ""))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is: torch's build, its CUDA, the cards by name, and one look at each."""

    build: str = ""
    cuda: str = ""
    names: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    error: str = ""
    processes: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> str:
        """Why there is no card to run on; empty where there is one."""
        if self.names:
            return ""
        if self.error:
            return f"no CUDA device ({redacted(self.error)[:200]})"
        if self.build and not self.cuda:
            return f"no CUDA device (torch {self.build} is a build without CUDA)"
        return "no CUDA device"

    @property
    def in_use(self) -> str:
        """Who else uses the cards, in words; empty where nobody does."""
        held = [card.number("memory.used") or 0.0 for card in self.cards]
        busy = [card.number("utilization.gpu") or 0.0 for card in self.cards]
        if self.processes:
            return f"{len(self.processes)} other processes on it: {'; '.join(self.processes)[:200]}"
        if max(held, default=0.0) > IDLE_MIB:
            return f"{max(held):.0f} MiB of its memory are taken"
        if max(busy, default=0.0) > IDLE_SHARE:
            return f"{max(busy):.0f} % of its time are taken"
        return ""

    def hardware(self) -> dict[str, str]:
        """What a record says of the machine, and by which records may be compared."""
        first = self.cards[0].read if self.cards else {}
        told = {
            "card": self.names[0] if self.names else "",
            "cards": str(len(self.names)) if self.names else "",
            "memory_mib": first.get("memory.total", ""),
            "power_limit_w": first.get("power.limit", ""),
            "mig": first.get("mig.mode.current", ""),
            "driver": first.get("driver_version", ""),
            "cuda": self.cuda,
        }
        return {name: value for name, value in told.items() if value}


@cache
def machine() -> Machine:
    """Look at this machine, once; what cannot be asked is left empty."""
    told = _torch()
    return Machine(
        build=str(told.get("build", "")),
        cuda=str(told.get("cuda", "")),
        names=tuple(map(str, told.get("names", ()))),  # type: ignore[call-overload]
        cards=look(),
        error=str(told.get("error", "")),
        processes=_processes(),
    )


def users() -> str:
    """Who uses the cards right now, in words; empty where nobody does."""
    return Machine(cards=look(), processes=_processes()).in_use


def look() -> tuple[Card, ...]:
    """One look at each card; empty without nvidia-smi."""
    rows = _smi(f"--query-gpu={','.join(QUERIED)}")
    return tuple(
        Card(dict(zip(QUERIED, row, strict=True))) for row in rows if len(row) == len(QUERIED)
    )


def count() -> int:
    """How many cards there are for trainings in several processes; 1 without nvidia-smi."""
    environ = dict(os.environ)
    take_all_cards(environ)
    seen = environ.get("CUDA_VISIBLE_DEVICES", "")
    return len(seen.split(",")) if seen else max(1, len(look()))


def over_time(looks: Sequence[Card]) -> dict[str, float]:
    """Clock, power and temperature of one card over many looks: least, median and most of each."""
    wanted = {"clock_mhz": "clocks.sm", "power_w": "power.draw", "celsius": "temperature.gpu"}
    found: dict[str, float] = {}
    for name, asked in wanted.items():
        values = [value for card in looks if (value := card.number(asked)) is not None]
        if values:
            found[f"{name}_least"] = min(values)
            found[name] = median(values)
            found[f"{name}_most"] = max(values)
    return found


def _processes() -> tuple[str, ...]:
    rows = _smi("--query-compute-apps=pid,used_memory")
    return tuple(f"process {row[0]} holds {row[1]} MiB" for row in rows if len(row) == 2)


def _smi(*query: str) -> list[list[str]]:
    """Rows of what nvidia-smi answers, without units; none where it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        said = subprocess.run(
            [program, *query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [[part.strip() for part in line.split(",")] for line in said.stdout.splitlines()]


def _torch() -> dict[str, object]:
    try:
        said = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=True,
        )
        return dict(json.loads(said.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return {"error": f"torch does not tell: {type(error).__name__}"}
