"""Reading the contract from its TOML files, and refusing what is malformed."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from .model import Chapter, Clause, Contract, ContractError, Level

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - exercised on Python 3.10 only
    import tomli as tomllib

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")
_NEEDS = ("cpu", "cuda", "distributed")
_TEXTS = ("statement", "source", "broken")
_CHAPTER_KEYS = frozenset({"chapter", "title", "order", "clause"})
_CLAUSE_KEYS = frozenset({"id", "level", *_TEXTS, "floor", "since", "needs"})


@cache
def load() -> Contract:
    """The contract that this package holds its subjects to."""
    return read(Path(__file__).resolve().parent)


def read(folder: Path) -> Contract:
    """The contract in ``folder``: every ``*.toml`` is a chapter, named as its file.

    Runs of white space in texts count as one space. Raises `ContractError`, with the file and the
    clause in its message, for files that are not TOML, unknown or missing keys, ids that are not
    lower-case and dotted, ids or orders given twice, unknown levels or needs, empty texts, floors
    below 1 and versions that are none.
    """
    files = {path: _parsed(path) for path in sorted(folder.glob("*.toml"))}
    chapters = {path: _chapter(path, table) for path, table in files.items()}
    orders = {path: _order(path, table) for path, table in files.items()}
    _unique("order", ((str(order), path.name) for path, order in orders.items()))
    _unique(
        "clause",
        ((c.id, path.name) for path, chapter in chapters.items() for c in chapter.clauses),
    )
    return Contract(tuple(chapters[path] for path in sorted(files, key=orders.__getitem__)))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"{path.name}: not TOML: {error}") from error


def _order(path: Path, table: Mapping[str, Any]) -> int:
    return _whole(table, "order", path.name)


def _chapter(path: Path, table: Mapping[str, Any]) -> Chapter:
    _known_keys(table, _CHAPTER_KEYS, path.name)
    name = _text(table, "chapter", path.name)
    if name != path.stem:
        raise ContractError(f"{path.name}: chapter {name!r} is not named as its file")
    clauses = table.get("clause")
    if not isinstance(clauses, list) or not clauses:
        raise ContractError(f"{path.name}: no clauses")
    return Chapter(
        name=name,
        title=_text(table, "title", path.name),
        clauses=tuple(_clause(path, name, clause) for clause in clauses),
    )


def _clause(path: Path, chapter: str, table: Mapping[str, Any]) -> Clause:
    where = f"{path.name}: clause {table.get('id', '(without id)')}"
    _known_keys(table, _CLAUSE_KEYS, where)
    identifier = _text(table, "id", where)
    if not _ID.fullmatch(identifier):
        raise ContractError(f"{where}: the id is not lower-case and dotted")
    texts = {key: _text(table, key, where) for key in _TEXTS}
    return Clause(
        id=identifier,
        chapter=chapter,
        level=Level(_one_of(table, "level", tuple(Level.__members__), where)),
        floor=_whole({"floor": 1, **table}, "floor", where),
        since=_since(table.get("since", {}), where),
        needs=_one_of(table, "needs", _NEEDS, where) if "needs" in table else None,
        **texts,
    )


def _known_keys(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ContractError(f"{where}: unknown key {', '.join(unknown)}")


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ContractError(f"{where}: {key} is missing or empty")
    return " ".join(value.split())


def _whole(table: Mapping[str, Any], key: str, where: str) -> int:
    value = table.get(key)
    if type(value) is not int or value < 1:
        raise ContractError(f"{where}: {key} is {value!r}, not a whole number from 1")
    return value


def _one_of(table: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or value not in known:
        raise ContractError(f"{where}: {key} is {value!r}, not one of {', '.join(known)}")
    return value


def _since(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ContractError(f"{where}: since is {value!r}, not a table of packages to versions")
    for package, version in value.items():
        try:
            Version(version)
        except (InvalidVersion, TypeError) as error:
            raise ContractError(f"{where}: since {package} {version!r} is no version") from error
    return dict(value)


def _unique(kind: str, named: Iterable[tuple[str, str]]) -> None:
    places = list(named)
    for name, times in Counter(name for name, _ in places).items():
        if times > 1:
            files = ", ".join(dict.fromkeys(file for found, file in places if found == name))
            raise ContractError(f"{files}: {kind} {name} is given {times} times")
