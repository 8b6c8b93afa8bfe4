"""Reading ``matrix.toml``: the stacks to judge, one by one or as the product of axes.

common = ["bitsandbytes==0.50.2"]      # every stack has these as well; may be left out

[[stack]]
name = "oldest"
specs = ["transformers==4.45.2", "peft==0.13.2", "accelerate==1.0.1"]

[axes]                                 # one more stack for each combination
transformers = ["4.57.6", "5.0.0"]     # a version, or a specifier as in ">=5.1,<5.2"
peft = ["0.18.1", "0.21.2"]

[[exclude]]                            # but for those that agree with all of this
transformers = "4.57.6"
peft = "0.21.2"
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from conformance.options import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUPPORTED = Path(__file__).with_name("supported.toml")
"""The stacks this project is measured on, over the whole range it supports."""

_KEYS = {"common", "stack", "axes", "exclude"}
_LARGEST = 2**20  # bytes
_MOST = 1000  # stacks that axes may multiply to; each takes minutes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")


@dataclass(frozen=True, slots=True)
class Row:
    """One stack to judge: ``index`` is its place in the file, ``name`` also its folder's."""

    index: int
    name: str
    specs: tuple[str, ...]


def read(path: Path) -> tuple[Row, ...]:
    """The rows of a file in its order, those of the axes last.

    Raises `UsageError` for a file that cannot be read, and for the first thing wrong in it.
    """
    try:
        table = tomllib.loads(_text(path))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    try:
        return _rows(table)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise UsageError(f"{path} is no list of stacks: it has more than {_LARGEST >> 20} MiB")
    return data.decode("utf-8")


def select(rows: Sequence[Row], wanted: Iterable[str]) -> tuple[Row, ...]:
    """The rows that these name, each by its index or its name; raises `UsageError`."""
    names = {row.name: row for row in rows}
    found = []
    for each in wanted:
        row = names.get(each)
        if row is None and each.isdecimal() and int(each) < len(rows):
            row = rows[int(each)]
        if row is None:
            raise UsageError(f"no stack {each!r}; there are 0 to {len(rows) - 1}: {_some(names)}")
        found.append(row)
    return tuple(dict.fromkeys(found))


def _rows(table: Mapping[str, Any]) -> tuple[Row, ...]:
    _known(table, _KEYS, "")
    common = _texts(table.get("common", []), "common")
    named = [*_stacks(table.get("stack", [])), *_product(table)]
    if not named:
        raise UsageError("no stack is listed, neither by name nor by axes")
    for name, count in Counter(name.lower() for name, _ in named).items():
        if count > 1:  # names become folders, which some file systems tell apart by letters alone
            raise UsageError(f"{count} stacks are named {name!r}")
    return tuple(
        Row(index, name, _requirements((*specs, *common), name))
        for index, (name, specs) in enumerate(named)
    )


def _stacks(listed: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for number, each in enumerate(_tables(listed, "stack")):
        where = f"stack {number}"
        _known(each, {"name", "specs"}, where)
        name = each.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(f"{where}: {name!r} is not a name: letters, digits and ._+- make one")
        specs = _texts(each.get("specs"), f"{where}: specs")
        if not specs:
            raise UsageError(f"{where}: specs is empty")
        yield name, specs


def _product(table: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    axes = table.get("axes", {})
    if not isinstance(axes, Mapping):
        raise UsageError("axes is not a table")
    values = {package: _texts(axes[package], f"axes: {package}") for package in axes}
    for package, listed in values.items():
        if not listed:
            raise UsageError(f"axes: {package} is empty")
    if (count := math.prod(map(len, values.values()))) > _MOST:
        raise UsageError(f"axes: {count} combinations are more than {_MOST}")
    excluded = list(_tables(table.get("exclude", []), "exclude"))
    _check_excluded(excluded, values)
    for combination in product(*values.values()) if values else ():
        chosen = dict(zip(values, combination, strict=True))
        if not any(each.items() <= chosen.items() for each in excluded):
            specs = tuple(f"{name}{_specifier(name, value)}" for name, value in chosen.items())
            yield _combined(chosen), specs


def _check_excluded(
    excluded: Sequence[Mapping[str, Any]], values: Mapping[str, tuple[str, ...]]
) -> None:
    for number, each in enumerate(excluded):
        if not each:
            raise UsageError(f"exclude {number} is empty and would leave nothing")
        for package, value in each.items():
            if value not in values.get(package, ()):
                raise UsageError(f"exclude {number}: {package} = {value!r} is on no axis")


def _specifier(package: str, value: str) -> str:
    try:
        return f"=={Version(value)}"
    except InvalidVersion:
        pass
    try:
        return str(Requirement(f"{package}{value}").specifier or _refuse(package, value))
    except InvalidRequirement:
        return _refuse(package, value)


def _refuse(package: str, value: str) -> str:
    raise UsageError(f"axes: {package} {value!r} is neither a version nor a specifier")


def _combined(chosen: Mapping[str, str]) -> str:
    name = "+".join(f"{package}-{value}" for package, value in chosen.items())
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", name)[:80]


def _requirements(specs: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Checked as a stack is."""
    from .stack import Stack

    try:
        return Stack.of(specs).specs
    except UsageError as error:
        raise UsageError(f"stack {name}: {error}") from None


def pinned(row: Row, package: str) -> Version | None:
    """The version that a row pins a package to; `None` when it pins none."""
    for spec in row.specs:
        try:
            found = Requirement(spec)
        except InvalidRequirement:
            continue
        if found.name == package and len(found.specifier) == 1:
            (only,) = found.specifier
            return Version(only.version) if only.operator == "==" else None
    return None


def _known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            prefix = f"{where}: " if where else ""
            raise UsageError(f"{prefix}unknown key {key!r}; known are {', '.join(sorted(known))}")


def _tables(value: Any, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise UsageError(f"{where} is not a list of tables, as in [[{where}]]")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{where} is not a list of texts")
    return tuple(value)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
