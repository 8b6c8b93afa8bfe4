"""Keeping secrets of the environment out of all that a run says and leaves."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

MASK = "***"
_SHORTEST = 6  # characters; what is shorter is a switch, and would tear holes into every message
_NAMED = re.compile(r"TOKEN(?!IZ)|SECRET|PASS|(API|ACCESS|PRIVATE|SIGNING)_?KEY|CREDENTIAL", re.I)
_USER_OF_URL = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/'\"<>]*)@", re.I)
_TOKEN = re.compile(r"\b(hf_|gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}")


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """``text`` with every secret replaced by `MASK`.

    Secrets are the values of variables that are named like one (``environment`` is this process's
    by default), the user and password of any address, and what has the shape of a token.
    """
    text = _TOKEN.sub(MASK, _USER_OF_URL.sub(rf"\1{MASK}@", text))
    found = set(_secrets(os.environ if environment is None else environment))
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def redacted_in(value: Any) -> Any:
    """The same for every string in plain data."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted_in(name): redacted_in(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(redacted_in, value))
    return value


def printable(text: str) -> str:
    """``text`` on one line, as it may be written to a terminal: nothing in it commands one."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in " ".join(text.split())
    )


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        parts = [value] if _NAMED.search(name) else []
        for _, user in _USER_OF_URL.findall(value):
            parts.append(user.partition(":")[2])
        for part in parts:
            yield from (each for each in {part, unquote(part)} if len(each) >= _SHORTEST)
