"""Python source of plain values, laid out as a formatter would."""

import json
import keyword
import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 96
_STEP = "    "


def literal(value: Any, indent: str = "", used: int = 0) -> str:
    """Source of a value of plain types, on one line where it fits into `WIDTH` columns.

    ``indent`` is what the line begins with that holds it, ``used`` how many columns stand before
    and after it there. Sets are written sorted. Raises `ValueError` for values that are not plain.
    """
    line = _inline(value)
    if len(indent) + used + len(line) <= WIDTH or not isinstance(value, list | tuple | dict):
        return line
    inner = indent + _STEP
    if isinstance(value, dict):
        keys = {_inline(name): held for name, held in value.items()}
        rows = [f"{key}: {literal(held, inner, len(key) + 3)}" for key, held in keys.items()]
        opening, closing = "{}"
    else:
        rows = [literal(held, inner, 1) for held in value]
        opening, closing = "()" if isinstance(value, tuple) else "[]"
    body = "".join(f"{inner}{row},\n" for row in rows)
    return f"{opening}\n{body}{indent}{closing}"


def keywords(given: Mapping[str, Any], indent: str) -> str:
    """Keyword arguments, one a line, each ending in a comma; raises `ValueError` for no name."""
    for name in given:
        if not str(name).isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"{name!r} is no name")
    rows = (
        f"{indent}{name}={literal(value, indent, len(name) + 2)}," for name, value in given.items()
    )
    return "\n".join(rows)


def entries(given: Mapping[str, Any], indent: str) -> str:
    """Entries of a dictionary, one a line, each ending in a comma."""
    rows = (
        f"{indent}{_inline(name)}: {literal(value, indent, len(name) + 5)},"
        for name, value in given.items()
    )
    return "\n".join(rows)


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return "".join(map(_character, json.dumps(str(value), ensure_ascii=False)))
    if value is None or isinstance(value, bool | int | float):
        finite = not isinstance(value, float) or math.isfinite(value)
        return repr(value) if finite else f'float("{value}")'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_inline(k)}: {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(_inline, value))) + "}" if value else "set()"
    if isinstance(value, Sequence):
        inside = ", ".join(map(_inline, value))
        if isinstance(value, tuple):
            return f"({inside}{',' * (len(value) == 1)})"
        return f"[{inside}]"
    raise ValueError(f"{type(value).__name__} is no plain value")


def _character(each: str) -> str:
    """What no terminal and no editor shows as it is, is escaped."""
    return each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
