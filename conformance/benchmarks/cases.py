"""What is measured, as data: shapes, the trainings of each, and what cards are said to do."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - exercised on Python 3.10 only
    import tomli as tomllib

DEFAULT, BEST = "default", "best"
KERNELS = (DEFAULT, BEST)
"""What a user gets without asking, and the best that the installed libraries offer."""
PYTHON, TORCHRUN, ACCELERATE = "python", "torchrun", "accelerate"
"""How a training is launched: one process on one card, or a launcher and a process a card."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training to be measured, as plain data.

    ``batch`` rows a micro-batch and process, ``accumulation`` micro-batches an optimizer step,
    ``sequence`` tokens a row.
    """

    shape: str
    method: str
    kernels: str = DEFAULT
    batch: int = 1
    accumulation: int = 1
    sequence: int = 32
    launch: str = PYTHON

    @property
    def id(self) -> str:
        """The same on every machine."""
        launched = "" if self.launch == PYTHON else f"-{self.launch}"
        return f"{self.shape}-{self.method}-{self.kernels}{launched}"

    @property
    def rows(self) -> int:
        """Rows an optimizer step and process."""
        return self.batch * self.accumulation

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Shape:
    """A model to be made with random weights: ``config`` goes to the config class of its type."""

    name: str
    model_type: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A way of fine-tuning: ``clause`` judges it; without ``adapter`` every weight trains."""

    name: str
    clause: str
    dtype: str
    adapter: Mapping[str, Any] = field(default_factory=dict)
    quantized: bool = False
    checkpointed: bool = False


def shape(name: str) -> Shape:
    """The shape of that name; raises `KeyError`."""
    return Shape(name=name, **_data()["shape"][name])


def method(name: str) -> Method:
    """The method of that name; raises `KeyError`."""
    return Method(name=name, **_data()["method"][name])


def trainings(profile: str) -> tuple[Training, ...]:
    """What a profile measures: ``quick``, ``full``, or ``cpu`` where there is no card."""
    return tuple(
        Training(
            entry["shape"], name, kernels, launch=launch, **{key: entry[key] for key in _SIZES}
        )
        for entry in _data()["case"]
        if profile in entry["profiles"]
        for name in entry["methods"]
        for kernels, launch in _rows(entry)
    )


_SIZES = ("batch", "accumulation", "sequence")


def _rows(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Its kernels in one process, both kinds unless it names them; other launches by default."""
    yield from ((kernels, PYTHON) for kernels in entry.get("kernels", KERNELS))
    yield from ((DEFAULT, launch) for launch in entry.get("launches", ()))


def peak_flops(card: str) -> float | None:
    """Dense bfloat16 FLOP/s that the maker states for a card; `None` for one that is not listed."""
    return next((float(e["flops"]) for e in _data()["peak"] if e["card"] in card), None)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("shapes.toml").read_text(encoding="utf-8"))
