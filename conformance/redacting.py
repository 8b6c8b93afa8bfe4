"""Keeping secrets of the environment out of all that a run says and leaves."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
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
    return _masked(text, _secrets(os.environ if environment is None else environment))


def redacted_in(value: Any) -> Any:
    """The same for every string in plain data."""
    return _masked_in(value, _secrets(os.environ))


def printable(text: str) -> str:
    """``text`` on one line, as it may be written to a terminal: nothing in it commands one."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in " ".join(text.split())
    )


def _masked_in(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return _masked(value, secrets)
    if isinstance(value, Mapping):
        return {_masked_in(k, secrets): _masked_in(v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_masked_in(each, secrets) for each in value)
    return value


def _masked(text: str, secrets: Sequence[str]) -> str:
    text = _TOKEN.sub(MASK, _USER_OF_URL.sub(rf"\1{MASK}@", text))
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _secrets(environment: Mapping[str, str]) -> Sequence[str]:
    """Longest first, so that none is replaced in part."""
    found = {secret for name, value in environment.items() for secret in _in(name, value)}
    return sorted(found, key=len, reverse=True)


def _in(name: str, value: str) -> Iterator[str]:
    parts = [value] if _NAMED.search(name) else []
    parts += [user.partition(":")[2] for _, user in _USER_OF_URL.findall(value)]
    for part in parts:
        yield from (each for each in {part, unquote(part)} if len(each) >= _SHORTEST)
