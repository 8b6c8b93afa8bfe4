"""The installed software a run judged: which versions, and whether the suite supports them."""

import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from types import MappingProxyType
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "bitsandbytes",
    "deepspeed",
    "trl",
    "datasets",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "numpy",
    "pytest",
    "hypothesis",
    "optuna",
    "tensorboard",
)

SUPPORTED: Mapping[str, str] = MappingProxyType(
    {"transformers": ">=4.45", "peft": ">=0.13", "accelerate": ">=1.0", "torch": ">=2.2"}
)
"""The packages a run needs, each with the versions this suite is written for."""


class UnsupportedStack(ValueError):
    """The installed packages cannot be judged; the message names each one that is in the way."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What a record says of the software and hardware.

    ``packages`` maps names to versions; ``transitive`` likewise what those need beside them.
    """

    python: str
    platform: str
    device: str
    packages: Mapping[str, str]
    transitive: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "python": self.python,
            "platform": self.platform,
            "device": self.device,
            "packages": dict(self.packages),
            **({"transitive": dict(self.transitive)} if self.transitive else {}),
        }


def version(package: str) -> str | None:
    """The installed version of a package, without importing it; `None` when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def stack(device: str = "cpu") -> Stack:
    """The stack of this interpreter; ``device`` is what the caller trains on."""
    found = {package: version(package) for package in PACKAGES}
    packages = {package: installed for package, installed in found.items() if installed}
    return Stack(
        python=platform.python_version(),
        platform=platform.platform(),
        device=device,
        packages=packages,
        transitive=_needed(packages),
    )


def _needed(packages: Iterable[str]) -> dict[str, str]:
    """What the packages need, and what that needs, but for themselves; names are canonical."""
    known: set[str] = set(map(canonicalize_name, packages))
    found: dict[str, str] = {}
    todo = [name for package in packages for name in _requirements(package)]
    while todo:
        name = todo.pop()
        if name not in known and (installed := version(name)):
            known.add(name)
            found[name] = installed
            todo += _requirements(name)
    return dict(sorted(found.items()))


def _requirements(package: str) -> list[str]:
    """The canonical names of what an installed package needs here, extras left out."""
    found: list[str] = []
    for line in metadata.requires(package) or ():
        with suppress(InvalidRequirement):  # old releases have some
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                found.append(canonicalize_name(needed.name))
    return found


def check_supported(versions: Mapping[str, str] | None = None) -> None:
    """Raise `UnsupportedStack` when a needed package is missing or outside `SUPPORTED`.

    ``versions`` maps packages to versions, the installed ones by default.
    """
    found = {name: version(name) for name in SUPPORTED} if versions is None else versions
    wrong = [_complaint(name, found.get(name), wanted) for name, wanted in SUPPORTED.items()]
    if any(wrong):
        raise UnsupportedStack("unsupported stack: " + "; ".join(filter(None, wrong)))


def _complaint(package: str, installed: str | None, supported: str) -> str:
    if not installed:
        return f"{package} is not installed, {supported} is needed"
    if not SpecifierSet(supported).contains(installed, prereleases=True):
        return f"{package} {installed} is installed, {supported} is needed"
    return ""
