"""What a stack comes to: exact requirements, the same for every index that has them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, parse_wheel_filename

from . import pip
from .base import Base
from .stack import COMPANIONS, LATEST, PRE, Stack, is_direct, is_exact, is_wheel, name_of

_OPTIONAL = ("bitsandbytes",)
# What Transformers imports where it is there: one that does not fit what moves must move as well.
_IMPORTED = ("datasets",)


def pins(stack: Stack, under: Base) -> tuple[str, ...]:
    """The requirements of a layer; none when the base is what the stack asks for.

    A stack that can mean one thing only is not looked up: its layer is found in the cache without
    an index. Raises `PipError` when pip finds no versions that fit.
    """
    if not stack.specs:
        return ()
    if all(map(is_exact, stack.specs)):
        return tuple(sorted((*map(_of_wheel, stack.specs), *_companions(stack, under))))
    direct = _resolved_direct([spec for spec in stack.specs if is_direct(spec)])
    named = [spec for spec in stack.specs if not is_direct(spec) and spec not in (LATEST, PRE)]
    known = {*stack.names, *map(name_of, direct)}
    wanted = (*direct, *named, *_newest(stack, under, known), *_companions(stack, under, known))
    moving = _resolve(wanted, under, upgrade=not stack.holds_companions)
    names = set(map(name_of, direct))
    indexed = [_pin(item) for item in moving if _name(item) not in names]
    return tuple(sorted((*direct, *indexed)))


def constraints(under: Base, wanted: Iterable[str]) -> tuple[str, ...]:
    """Torch stays what it is in the base, unless it is asked for."""
    torch = under.packages.get("torch")
    return () if torch is None or "torch" in map(name_of, wanted) else (f"torch=={torch}",)


def forced(pinned: Iterable[str]) -> tuple[str, ...]:
    """Those that say where they come from: pip keeps an installed one of the same version."""
    return tuple(filter(is_direct, pinned))


def _companions(stack: Stack, under: Base, known: Iterable[str] = ()) -> list[str]:
    """Bare names: pip keeps the base's version where it fits."""
    if not stack.holds_companions:
        return []
    imported = [name for name in _IMPORTED if name in under.packages]
    return [name for name in (*COMPANIONS, *imported) if name not in {*stack.names, *known}]


def _newest(stack: Stack, under: Base, known: Iterable[str]) -> list[str]:
    if stack.holds_companions:
        return []
    present = [name for name in _OPTIONAL if name in under.packages]
    suffix = ">=0.0.dev0" if PRE in stack.specs else ""  # opts in to pre-releases, of this alone
    return [f"{name}{suffix}" for name in (*COMPANIONS, *present) if name not in set(known)]


def _resolve(wanted: Iterable[str], under: Base, *, upgrade: bool) -> list[dict[str, Any]]:
    with pip.constraint_file(constraints(under, wanted)) as kept:
        options = ["--constraint", str(kept), *(["--upgrade"] if upgrade else [])]
        return pip.resolve([*options, "--", *wanted])


def _resolved_direct(specs: list[str]) -> list[str]:
    """Addresses with the commit or the digest of what lies there now."""
    wheels = [_of_wheel(spec) for spec in specs if is_wheel(spec)]
    others = [spec for spec in specs if not is_wheel(spec)]
    if not others:
        return wheels
    found = pip.resolve(["--no-deps", "--force-reinstall", "--", *others])
    return [*wheels, *map(_address, found)]


def _of_wheel(spec: str) -> str:
    """A wheel's path as a requirement that its content is part of."""
    if not is_wheel(spec):
        return spec
    path = Path(spec)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{parse_wheel_filename(path.name)[0]} @ {path.as_uri()}#sha256={digest}"


def _address(item: dict[str, Any]) -> str:
    info = item["download_info"]
    url = info["url"]
    if vcs := info.get("vcs_info"):
        return f"{_name(item)} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    digest = info.get("archive_info", {}).get("hashes", {}).get("sha256")
    return f"{_name(item)} @ {url}" + (f"#sha256={digest}" if digest else "")


def _name(item: dict[str, Any]) -> str:
    return canonicalize_name(item["metadata"]["name"])


def _pin(item: dict[str, Any]) -> str:
    return f"{_name(item)}=={item['metadata']['version']}"
