"""The base: the environment that runs this program, on which the layers of all stacks lie."""

import os
import platform
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

_ITSELF = "peft-conformance"


@dataclass(frozen=True, slots=True)
class Base:
    """``folders`` are its site-packages; ``packages`` maps canonical names to versions."""

    python: Path
    version: str
    folders: tuple[str, ...]
    packages: Mapping[str, str]


def base() -> Base:
    """The environment of this interpreter."""
    return Base(Path(sys.executable), platform.python_version(), _folders(), installed())


def installed() -> dict[str, str]:
    """Every package that this interpreter sees, but for this project, to its version."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        name = each.metadata["Name"]  # None in the remains of an uninstalled package
        if name and canonicalize_name(name) != _ITSELF:
            found.setdefault(canonicalize_name(name), each.version)
    return dict(sorted(found.items()))


def _folders() -> tuple[str, ...]:
    """In the order of ``sys.path``, so that what shadows what stays the same in a layer."""
    known = {*site.getsitepackages(), *([site.getusersitepackages()] if _sees_user() else [])}
    real = {os.path.realpath(folder) for folder in known}
    found = [folder for folder in sys.path if folder and os.path.realpath(folder) in real]
    return tuple(dict.fromkeys(map(os.path.realpath, found)))


def _sees_user() -> bool:
    return bool(site.ENABLE_USER_SITE)
