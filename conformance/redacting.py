"""Keeping secrets of the environment out of all that a run says and leaves."""

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
_SHORTEST = 6  # characters; what is shorter is a switch, and would tear holes into every message
_TOKENS = 12  # characters of a user that stands alone in an address and may be a token
_LINES = 16  # characters of a line that is a secret by itself, as one of a private key's
_NAMED = re.compile(
    r"TOKEN(?!IZ)|SECRET|PASS|AUTH(?!OR)|COOKIE|CREDENTIAL|(API|ACCESS|PRIVATE|SIGNING)_?KEY"
    r"|CONNECTION_?STRING|WEBHOOK|(^|_)(KEY|PAT|JWT)$|_PWD$",
    re.I,
)
# What repeats is bounded, or a long line would take its length squared.
# With a password, which may hold what an address may not, the last @ counts; a port is none.
_USER_OF_URL = re.compile(
    r"([a-z][a-z0-9+.-]{0,30}://)"
    r"([^\s/:@'\"<>]*:(?!\d{1,5}(?:/|$))(?:(?!://)[^\s'\"<>])*|[^\s/'\"<>]*)@",
    re.I,
)
_IN_QUERY = re.compile(
    r"([?&][\w.-]{0,40}(?:token|secret|pass|pwd|key|auth|sig|credential|jwt)[\w.-]{0,40}=)([^\s&#'\"<>]+)",
    re.I,
)
_PATH_OF_URL = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s/]+(/\S+)", re.I)
_TOKEN = re.compile(r"\b(hf_|gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}")


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """``text`` with every secret replaced by `MASK`.

    Secrets are the values of variables that are named like one (``environment`` is this process's
    by default), the user and password of any address, what its query calls a token or the like, and
    what has the shape of one.
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
    text = _IN_QUERY.sub(rf"\1{MASK}", _USER_OF_URL.sub(rf"\1{MASK}@", text))
    text = _TOKEN.sub(MASK, text)
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _secrets(environment: Mapping[str, str]) -> Sequence[str]:
    """Longest first, so that none is replaced in part."""
    return _found(tuple(environment.items()))


@lru_cache(maxsize=2)
def _found(variables: tuple[tuple[str, str], ...]) -> Sequence[str]:
    found = {secret for name, value in variables for secret in _in(name, value)}
    return sorted(found, key=len, reverse=True)


def _in(name: str, value: str) -> Iterator[str]:
    parts = [value, *_long_lines(value)] if _NAMED.search(name) else []
    if parts:
        parts += _PATH_OF_URL.findall(value)  # which is what a refused connection names
    parts += [found for _, found in _IN_QUERY.findall(value)]
    for _, user in _USER_OF_URL.findall(value):
        parts += _in_address(user)
        if "@" in (first := user.partition("/")[0]):  # the other reading of several
            parts += _in_address(first.rpartition("@")[0])
    for part in parts:
        yield from (each for each in _written(part) if len(each) >= _SHORTEST)


def _long_lines(value: str) -> list[str]:
    lines = value.splitlines()
    return [line for line in lines if len(line) >= _LINES] if len(lines) > 1 else []


def _in_address(user: str) -> Iterator[str]:
    """What of ``user:password`` is secret: not a user, unless it stands alone."""
    name, _, password = user.partition(":")
    if password:
        yield password
        yield base64.b64encode(unquote(user).encode()).decode()  # as a header has it
    elif len(name) >= _TOKENS:
        yield name


def _written(secret: str) -> set[str]:
    """The ways in which a message may spell it: as it is, in an address, in Python, in JSON."""
    plain = unquote(secret)
    inner = {text[1:-1] for text in (repr(plain), json.dumps(plain))}
    inner.add(json.dumps(plain, ensure_ascii=False)[1:-1])
    return {secret, plain, quote(plain), quote(plain, safe=""), *inner}
