"""The installed software a run judged: which versions, and whether the suite supports them."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import MappingProxyType
from typing import Any

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

_ITSELF = "peft-conformance"

SUPPORTED: Mapping[str, str] = MappingProxyType(
    {"transformers": ">=4.45", "peft": ">=0.13", "accelerate": ">=1.0", "torch": ">=2.2"}
)
"""The packages a run needs, each with the versions this suite is written for."""


class UnsupportedStack(ValueError):
    """The installed packages cannot be judged; the message names each one that is in the way."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What a record says of the software and hardware.

    ``packages`` maps names to versions; ``others`` likewise all else that is installed;
    ``hardware`` says what cards there are, for a run on one.
    """

    python: str
    platform: str
    device: str
    packages: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "python": self.python,
            "platform": self.platform,
            "device": self.device,
            "packages": dict(self.packages),
            **({"others": dict(self.others)} if self.others else {}),
            **({"hardware": dict(self.hardware)} if self.hardware else {}),
        }


def version(package: str) -> str | None:
    """The installed version of a package, without importing it; `None` when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def stack(device: str = "cpu", hardware: Mapping[str, str] | None = None) -> Stack:
    """The stack of this interpreter; ``device`` is what the caller trains on."""
    found = {package: version(package) for package in PACKAGES}
    packages = {package: installed for package, installed in found.items() if installed}
    named = set(map(canonicalize_name, packages))
    return Stack(
        python=platform.python_version(),
        platform=platform.platform(),
        device=device,
        packages=packages,
        others={name: number for name, number in installed().items() if name not in named},
        hardware=hardware or {},
    )


def installed() -> dict[str, str]:
    """Every package that this interpreter sees, by canonical name, but for this project itself."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        name = each.metadata["Name"]  # None in the remains of an uninstalled package
        if name and canonicalize_name(name) != _ITSELF:
            found.setdefault(canonicalize_name(name), each.version)
    return dict(sorted(found.items()))


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
