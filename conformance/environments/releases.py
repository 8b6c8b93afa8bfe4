"""The releases of a package that the user's own index offers to this interpreter.

Asked of ``pip index versions``, because pip alone knows which indexes, links, certificates and
credentials the user configured, in which of its many places. It leaves out yanked releases, those
that have no distribution this interpreter and platform can use, and those whose
``Requires-Python`` refuses this interpreter (``_build_package_finder`` in pip's
``_internal/commands/index.py`` allows none of these).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conformance.options import UsageError

Ask = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]

_AVAILABLE = re.compile(r"^Available versions: (.+)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class NoReleases(UsageError):
    """The index offers nothing under a name, or cannot be asked; the message says which."""


def ask_pip(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Call this interpreter's pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def releases(package: str, *, pre: bool = False, ask: Ask = ask_pip) -> tuple[Version, ...]:
    """The versions of ``package`` that can be installed here, oldest first.

    ``pre`` adds pre-releases and development releases. Raises `NoReleases`.
    """
    if not _NAME.fullmatch(package):
        raise NoReleases(f"{package!r} is not the name of a package")
    asked = ["index", "versions", canonicalize_name(package), *(["--pre"] if pre else [])]
    done = ask([*asked, "--json"])
    if _no_such_option(done):  # pip before 25.2 answers in words alone
        done = ask(asked)
    if done.returncode != 0:
        raise NoReleases(f"no releases of {package} found: {_reason(done)}")
    found = sorted(set(map(_version, _listed(done.stdout))))
    return tuple(found if pre else (each for each in found if not each.is_prerelease))


def _listed(text: str) -> list[str]:
    if text.lstrip().startswith("{"):
        return [str(each) for each in json.loads(text)["versions"]]
    found = _AVAILABLE.search(text)
    return [each.strip() for each in found.group(1).split(",")] if found else []


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise NoReleases(f"pip offers {text!r}, which is not a version") from None


def _no_such_option(done: "subprocess.CompletedProcess[str]") -> bool:
    return done.returncode == 2 and "no such option" in done.stderr


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    lines = errors or done.stderr.splitlines() or [f"pip ended with status {done.returncode}"]
    return lines[-1].removeprefix("ERROR: ")
