"""The tiny architectures under ``fixtures/``, read as data: adding one needs no code."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from conformance import paths

from .tasks import TASKS, Task

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - exercised on Python 3.10 only
    import tomli as tomllib


LARGEST = 2**16
"""Bytes of a fixture's file that is read at all; the longest has a thirtieth of it."""


class FamilyError(ValueError):
    """A fixture is malformed; the message names it."""


@dataclass(frozen=True, slots=True)
class Family:
    """What the suite needs to know of one architecture.

    ``kind`` groups families alike; ``task`` names one of `TASKS`; ``attention`` are the modules
    that plain recipes target, ``default_targets`` what peft documents for ``target_modules=None``
    (empty where it documents none), ``head`` the module that ``modules_to_save`` copies,
    ``embedding`` the token embedding, ``dropout`` and ``feed_forward`` the config keys (dotted
    into sub-configs, empty where it has none) of the model's own dropout and of its feed-forward
    width; the head of ``tied`` families is the embedding's weight; ``precise`` modules are kept in
    float32 by Transformers, ``spared`` ones are left by bitsandbytes only when they are named;
    ``core`` families are met by every clause. ``config`` is the content of ``folder``'s
    ``config.json`` with ``overrides``.
    """

    name: str
    kind: str
    task: str
    attention: tuple[str, ...]
    default_targets: tuple[str, ...]
    head: str
    embedding: str
    dropout: str
    feed_forward: str
    fan_in_fan_out: bool
    tied: bool
    precise: tuple[str, ...]
    spared: tuple[str, ...]
    core: bool
    folder: Path
    overrides: dict[str, Any]
    config: dict[str, Any]

    @property
    def about_task(self) -> Task:
        """The task's data."""
        return TASKS[self.task]

    @property
    def saves_head(self) -> bool:
        """Whether every adapter trains a copy of the head, as a fresh classifier needs."""
        return self.about_task.fresh_head

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of the config that is about text: all of it where there is but one."""
        return dict(self.config.get("text_config", self.config))

    @property
    def vision_config(self) -> dict[str, Any]:
        """The part of the config that is about images."""
        return dict(self.config.get("vision_config", self.config))


class _About(msgspec.Struct, forbid_unknown_fields=True):
    """What ``family.toml`` holds; see `Family`. ``config`` is the folder of ``config.json``."""

    kind: str
    task: str
    attention: tuple[str, ...]
    default_targets: tuple[str, ...]
    head: str
    embedding: str
    dropout: str = ""
    feed_forward: str = ""
    fan_in_fan_out: bool = False
    tied: bool = False
    precise: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    core: bool = False
    config: str = "."
    overrides: dict[str, Any] = {}


@cache
def families() -> tuple[str, ...]:
    """The names of all families, sorted."""
    return tuple(sorted(p.parent.name for p in paths.fixtures().glob("*/family.toml")))


@cache
def core_families() -> tuple[str, ...]:
    """The names of the families that every clause meets; chapter architectures meets all."""
    return tuple(name for name in families() if family(name).core)


@cache
def kinds() -> Mapping[str, tuple[str, ...]]:
    """The families of each kind, both sorted."""
    found = sorted({family(name).kind for name in families()})
    return MappingProxyType(
        {kind: tuple(n for n in families() if family(n).kind == kind) for kind in found}
    )


@cache
def family(name: str) -> Family:
    """Read one family; raises `FileNotFoundError` when ``fixtures/`` has none of that name, and
    `FamilyError` for one that is malformed.
    """
    own: Path = paths.fixtures() / name
    try:
        about = msgspec.convert(tomllib.loads(_text(own / "family.toml")), _About)
        folder = (own / about.config).resolve()
        if folder.parent != own.parent.resolve():
            raise ValueError(f"config is {about.config!r}, no fixture beside it")
        config = json.loads(_text(folder / "config.json"))
        held = msgspec.structs.asdict(about)
        return Family(**{**held, "config": {**config, **about.overrides}}, name=name, folder=folder)
    except (ValueError, TypeError, RecursionError) as error:
        raise FamilyError(f"the fixture {name} is malformed: {error}") from error


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{path.name} has more than {LARGEST} bytes")
    return data.decode("utf-8")
