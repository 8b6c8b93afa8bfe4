"""Calling the user's pip, with the user's indexes, and saying in one line why it gave up."""

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from conformance.options import UsageError
from conformance.redacting import redacted

_QUIET = ("--no-input", "--disable-pip-version-check", "--no-color")
# Where a layer goes is decided here, whatever the user's pip does otherwise.
_PLACES = ("PREFIX", "TARGET", "ROOT", "REQUIREMENT", "EDITABLE", "DRY_RUN", "REPORT", "PYTHON")
FULL = re.compile(r"No space left on device|Errno 28|Disk quota exceeded")
_MISSING = re.compile(
    r"ERROR: Could not find a version that satisfies the requirement (?P<what>.+?) "
    r"\(from versions: (?P<known>[^)]*)\)"
)


class Unresolvable(Exception):
    """A stack that pip cannot install, or that cannot be imported; the message is one line."""

    def __init__(self, stack: object, reason: str) -> None:
        self.stack = stack
        self.reason = redacted(reason)
        super().__init__(redacted(f"{stack}: {reason}"))


class PipError(Exception):
    """pip gave up; the message is its reason, on one line."""


def call(*arguments: str, python: Path | None = None, cwd: Path | None = None) -> str:
    """Run the base's pip for ``python`` (the base's own by default); hands back what it printed.

    Raises `PipError` when it gives up, `OSError` when the disk is full, `UsageError` when there is
    no pip in the base.
    """
    where = ("--python", str(python)) if python else ()
    ended = subprocess.run(
        [sys.executable, "-m", "pip", *_QUIET, *where, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        env=_variables(),
        cwd=cwd,
        check=False,
    )
    if ended.returncode == 0:
        return ended.stdout
    if "No module named pip" in ended.stdout:
        raise UsageError(f"there is no pip in the environment of {sys.executable}")
    if FULL.search(ended.stdout):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(python or tempfile.gettempdir()))
    raise PipError(reason(ended.stdout))


def resolve(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """What ``pip install`` with these would install over the base; nothing is installed.

    Each is an item of pip's installation report.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        call("install", "--dry-run", "--report", str(report), *arguments)
        found: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["install"]
    return found


@contextlib.contextmanager
def constraint_file(lines: Iterable[str]) -> Iterator[Path]:
    """A file of constraints, for as long as pip needs it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        yield path


def reason(printed: str) -> str:
    """Why pip gave up, on one line and without secrets, from all that it printed."""
    printed = redacted(printed)
    if missing := _MISSING.search(printed):
        return _missing(missing)
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if "The conflict is caused by:" in lines:
        causes = lines[lines.index("The conflict is caused by:") + 1 :]
        return "; ".join(_until(causes, ("Additionally,", "To fix this"))) or lines[-1]
    of_git = [line for line in lines if line.startswith("fatal: ")][:1]
    of_pip = [line for line in lines if line.startswith(("ERROR: ", "error: "))][-1:]
    told = (of_git or of_pip or lines[-1:] or ["pip said nothing"])[0]
    return re.sub(r"^(ERROR|error|fatal): ", "", told)[:500]


def _missing(found: "re.Match[str]") -> str:
    known = found["known"].split(", ")
    if known in (["none"], [""]):
        return f"no index has any release of {found['what']} for this Python"
    return f"no index has {found['what']}; the newest for this Python is {known[-1]}"


def _until(lines: Sequence[str], stops: tuple[str, ...]) -> list[str]:
    ends = [n for n, line in enumerate(lines) if line.startswith(stops)]
    return list(lines[: ends[0]] if ends else lines)


def _variables() -> dict[str, str]:
    left_out = {f"PIP_{name}" for name in _PLACES}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONUTF8": "1"}
