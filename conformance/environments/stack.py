"""`Stack`: the requirements a user names, checked before pip or anything else sees them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from conformance.options import UsageError
from conformance.redacting import redacted

LATEST = "latest"
"""The newest releases of transformers, peft, accelerate and, where it is there, bitsandbytes."""
PRE = "pre"
"""The same with pre-releases."""

COMPANIONS = ("transformers", "peft", "accelerate")
"""What every stack needs; pip keeps the base's version of one that is not named, if it fits."""

_GIT = re.compile(r"git\+(https|ssh|file)://\S+")
_OPTION = re.compile(r"^[a-z+]+://(\S*@)?-|@-", re.IGNORECASE)
"""An address whose host, or whose revision, git or ssh might take for an option of theirs."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Requirements as a user writes them; none at all stands for what is installed.

    Each is a requirement of PEP 508 (``transformers==5.0.0``), `LATEST`, `PRE`,
    ``git+https://…`` (``git+ssh``, ``git+file``) or the path of a wheel. `Stack.of` checks them.
    """

    specs: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Iterable[str]) -> "Stack":
        """The stack of these; one text may hold several, with spaces between them.

        Raises `UsageError` for what is no requirement, or names a package twice.
        """
        specs = tuple(_checked(spec) for text in given for spec in _separated(text))
        named = [name for name in map(name_of, specs) if name]
        for name in named:
            if named.count(name) > 1:
                raise UsageError(f"a stack names {name} once, not {named.count(name)} times")
        if LATEST in specs and PRE in specs:
            raise UsageError(f"a stack is {LATEST} or {PRE}, not both")
        return cls(specs)

    @property
    def names(self) -> frozenset[str]:
        """The packages it names, in canonical spelling; a bare git address names none."""
        return frozenset(filter(None, map(name_of, self.specs)))

    @property
    def holds_companions(self) -> bool:
        """Whether packages it does not name should stay as they are in the base."""
        return LATEST not in self.specs and PRE not in self.specs

    def __str__(self) -> str:
        return redacted(" ".join(self.specs)) or "as installed"


def name_of(spec: str) -> str:
    """The canonical name of the package a checked spec names; empty when it names none."""
    if spec in (LATEST, PRE) or _GIT.fullmatch(spec):
        return ""
    if spec.endswith(".whl") and "@" not in spec:
        return str(parse_wheel_filename(Path(spec).name)[0])
    return canonicalize_name(Requirement(spec).name)


def is_exact(spec: str) -> bool:
    """Whether it can mean one version only, whatever an index holds today."""
    if name_of(spec) == "" or spec.endswith(".whl"):
        return is_wheel(spec)
    found = list(Requirement(spec).specifier)
    return len(found) == 1 and found[0].operator in ("==", "===") and "*" not in found[0].version


def is_wheel(spec: str) -> bool:
    """Whether it is the path of a wheel."""
    return spec.endswith(".whl") and "@" not in spec


def is_direct(spec: str) -> bool:
    """Whether it says itself where the package comes from."""
    if spec in (LATEST, PRE):
        return False
    return is_wheel(spec) or bool(_GIT.fullmatch(spec)) or Requirement(spec).url is not None


def _separated(text: str) -> list[str]:
    """The specs in a text; a single requirement may have spaces in it."""
    text = text.strip()
    if is_wheel(text):
        return [text]
    try:
        return [str(Requirement(text))]
    except InvalidRequirement:
        found = text.split()
    if not found:
        raise UsageError("an empty requirement names no package")
    return found


def _checked(spec: str) -> str:
    if spec.startswith("-") or not spec.isprintable():
        raise UsageError(f"{spec!r} is not a requirement; options of pip belong in its own files")
    if spec in (LATEST, PRE):
        return spec
    if _GIT.fullmatch(spec):
        return _address(spec)
    if is_wheel(spec):
        return _wheel(Path(spec).expanduser())
    try:
        found = Requirement(spec)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{spec!r} is not a requirement: {reason}") from None
    if found.url is not None and not re.match(r"(https|file|git\+(https|ssh|file))://", found.url):
        raise UsageError(f"{spec!r} points at neither https, file nor git+https")
    _address(found.url or "")
    return spec


def _address(address: str) -> str:
    if _OPTION.search(address):
        raise UsageError(f"{address!r}: neither a host nor a revision begins with a dash")
    return address


def _wheel(path: Path) -> str:
    if not path.is_file():
        raise UsageError(f"the wheel {path} does not exist")
    try:
        parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise UsageError(str(error)) from None
    return str(path.resolve())
