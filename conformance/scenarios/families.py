"""The tiny architectures under ``fixtures/``, read as data: adding one needs no code."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from conformance import paths

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - exercised on Python 3.10 only
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Family:
    """What the suite needs to know of one architecture.

    ``attention`` are the modules that plain recipes target, ``default_targets`` what peft
    documents for ``target_modules=None``, ``head`` the module that ``modules_to_save`` copies,
    ``embedding`` the token embedding, ``dropout`` and ``feed_forward``
    the config keys of the model's own dropout and of its feed-forward width; ``core`` families
    are met by every clause.
    """

    name: str
    task: str
    attention: tuple[str, ...]
    default_targets: tuple[str, ...]
    head: str
    embedding: str
    dropout: str
    feed_forward: str
    fan_in_fan_out: bool
    core: bool
    config: dict[str, Any]

    @property
    def auto_class(self) -> str:
        """The class of transformers that makes and loads its models."""
        return AUTO_CLASSES[self.task]

    @property
    def saves_head(self) -> bool:
        """Whether every adapter trains a copy of the head, as a fresh classifier needs."""
        return self.task == "sequence-classification"


AUTO_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "causal-lm": "AutoModelForCausalLM",
        "sequence-classification": "AutoModelForSequenceClassification",
        "seq2seq-lm": "AutoModelForSeq2SeqLM",
    }
)


@cache
def families() -> tuple[str, ...]:
    """The names of all families, sorted."""
    return tuple(sorted(p.parent.name for p in paths.fixtures().glob("*/family.toml")))


@cache
def core_families() -> tuple[str, ...]:
    """The names of the families that every clause meets; chapter architectures meets all."""
    return tuple(name for name in families() if family(name).core)


@cache
def family(name: str) -> Family:
    """Read one family; raises `FileNotFoundError` when ``fixtures/`` has none of that name."""
    folder: Path = paths.fixtures() / name
    about = tomllib.loads((folder / "family.toml").read_text(encoding="utf-8"))
    return Family(
        name=name,
        task=about["task"],
        attention=tuple(about["attention"]),
        default_targets=tuple(about["default_targets"]),
        head=about["head"],
        embedding=about["embedding"],
        dropout=about["dropout"],
        feed_forward=about["feed_forward"],
        fan_in_fan_out=about.get("fan_in_fan_out", False),
        core=about.get("core", False),
        config=json.loads((folder / "config.json").read_text(encoding="utf-8")),
    )
