"""Reading ``*.toml`` beside this file, and deciding whether one explains what a case showed.

A file holds one deviation:

    summary = "what goes wrong, in a sentence"
    clauses = ["resume.*"]                       # shell patterns of clause ids
    tests = ["test_speeds"]                      # optional: shell patterns of test names
    link = "https://…"                           # upstream report, or "" while there is none
    script = "native_resume.py"                  # under scripts/, needs the libraries alone
    always = true                                # optional: false when a listed case may pass
    trainers = ["trl:SFTTrainer"]                # optional: by these (and subclasses) alone
    device = "cpu"                               # optional: shown by trainings on it alone
    [versions]                                   # all must match the installed releases
    transformers = ">=5.10,<=5.23.0"
    [spares]                                     # optional: trainers (and subclasses) that do not
    "trl:SFTTrainer" = ["evaluation.*"]          # show it in clauses of these patterns
    [when]                                       # fields or properties of the scenario
    injection = "add_adapter"                    # a value, a list of values, or {min = 2}
    [symptom]
    error = "ValueError"                         # exception type's name
    phase = "train"                              # optional: the phase of the training
    message = "Can't find a checkpoint index"    # regular expression searched in the message

One cause that shows in several ways has a ``[[symptoms]]`` for each instead of the ``[symptom]``,
with the same keys and, where it shows in other cases than the file says, with ``clauses``,
``tests``, ``always``, ``versions`` or ``when`` of its own in their place. Each is matched by
itself: what one explains in its cases, it explains in no other's.
"""

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from conformance import device

from .deviation import CaseKey, Deviation, Showing, Symptom

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - exercised on Python 3.10 only
    import tomli as tomllib

FOLDER = Path(__file__).parent
LIBRARIES = ("transformers", "peft", "accelerate", "torch", "bitsandbytes", "trl", "deepspeed")
LARGEST = 2**16
"""Bytes of a file that is read at all; the longest has a thirtieth of it."""
_OF_BOTH = {"clauses", "tests", "always", "versions", "when"}
_OF_ONE = {"summary", "link", "script", "trainers", "spares", "device"}
_KEYS = {*_OF_BOTH, *_OF_ONE, "symptom", "symptoms"}
_KEYS_OF_A_SYMPTOM = {*_OF_BOTH, *("error", "phase", "message")}
_TEXTS = {"summary", "link", "script", "device", "error", "phase", "message"}
_LISTS = {"clauses", "tests", "trainers", "symptoms"}


class DeviationError(ValueError):
    """A deviation's file is not well formed; the message names the file."""


def load(folder: Path = FOLDER) -> tuple[Deviation, ...]:
    """All deviations in a folder, by file name. Raises `DeviationError`."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


_heeded = True


def heed(whether: bool) -> None:
    """Whether this process knows the shipped deviations; without them each one is a failure."""
    global _heeded  # noqa: PLW0603
    _heeded = whether


def _shipped() -> tuple[Deviation, ...]:
    here = device.chosen()
    return tuple(d for d in _loaded() if d.device in ("", here)) if _heeded else ()


@cache
def _loaded() -> tuple[Deviation, ...]:
    return load()


def listed(case: CaseKey, versions: Mapping[str, str] | None = None) -> tuple[Deviation, ...]:
    """The shipped deviations under which this case is expected to deviate.

    ``versions`` maps distribution names to versions; the installed ones unless given.
    """
    found = installed_versions() if versions is None else versions
    return tuple(d for d in _shipped() if d.expected_of(case, found))


def certain(case: CaseKey) -> tuple[Deviation, ...]:
    """Those of them that every such case shows, so that none of them may pass."""
    versions = installed_versions()
    return tuple(
        d for d in _shipped() if any(each.always for each in d.expected_of(case, versions))
    )


def explaining(case: CaseKey, symptom: Symptom) -> Deviation | None:
    """The shipped deviation that explains a symptom of a case, if there is one."""
    return _explaining(case, symptom, installed_versions())


def preventing(case: CaseKey, symptom: Symptom) -> Deviation | None:
    """The shipped deviation, of whatever clause, that explains why a training did not end.

    It has to say which scenarios it is about: what a test has done to a checkpoint, such as killing
    its writer, explains no other test's training.
    """
    return _preventing(case, symptom, installed_versions())


def resembling(case: CaseKey, symptom: Symptom) -> Deviation | None:
    """The shipped deviation that would do either, were it listed for the installed releases."""
    return _explaining(case, symptom, None) or _preventing(case, symptom, None)


def _explaining(
    case: CaseKey, symptom: Symptom, versions: Mapping[str, str] | None
) -> Deviation | None:
    met = ((d, each) for d in _shipped() for each in d.expected_of(case, versions))
    return next((d for d, each in met if each.shows(symptom)), None)


def _preventing(
    case: CaseKey, symptom: Symptom, versions: Mapping[str, str] | None
) -> Deviation | None:
    met = (
        (d, each)
        for d in _shipped()
        if d.blames(case)
        for each in d.showings
        if each.phase and each.when and each.holds_for(case, versions)
    )
    return next((d for d, each in met if each.shows(symptom)), None)


@cache
def installed_versions() -> Mapping[str, str]:
    """The releases of the libraries that deviations speak about."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _read(path: Path) -> Deviation:
    try:
        return _checked(path.stem, tomllib.loads(_text(path)))
    except (ValueError, KeyError, TypeError, re.error, RecursionError) as error:
        raise DeviationError(f"{path.name}: {type(error).__name__}: {error}") from error


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"it has more than {LARGEST >> 10} KiB")
    return data.decode("utf-8")


def _checked(name: str, data: dict[str, Any]) -> Deviation:
    _known(data, _KEYS)
    if Path(data["script"]).name != data["script"]:
        raise ValueError(f"the script is no file of scripts/: {data['script']!r}")
    if data.get("device", "") not in ("", *device.DEVICES):
        raise ValueError(f"device is {data['device']!r}")
    return Deviation(
        id=name,
        summary=data["summary"],
        link=data["link"],
        script=data["script"],
        always=data.get("always", True),
        versions=data["versions"],
        trainers=frozenset(data.get("trainers", ())),
        spares={name: tuple(patterns) for name, patterns in data.get("spares", {}).items()},
        showings=tuple(_showing(data, symptom) for symptom in _symptoms(data)),
        device=data.get("device", ""),
    )


def _symptoms(data: dict[str, Any]) -> list[dict[str, Any]]:
    if "symptoms" not in data:
        return [data["symptom"]]
    if "symptom" in data or len(data["symptoms"]) < 2:
        raise ValueError("either one [symptom], or several [[symptoms]]")
    return list(data["symptoms"])


def _showing(data: dict[str, Any], symptom: dict[str, Any]) -> Showing:
    _known(symptom, _KEYS_OF_A_SYMPTOM)
    about = {**data, **symptom}
    re.compile(about["message"])
    for specifier in about["versions"].values():
        SpecifierSet(specifier)
    return Showing(
        clauses=tuple(about["clauses"]),
        tests=tuple(about.get("tests", ["*"])),
        always=about.get("always", True),
        versions=about["versions"],
        when=about.get("when", {}),
        error=about["error"],
        message=about["message"],
        phase=about.get("phase", ""),
    )


def _known(data: dict[str, Any], keys: set[str]) -> None:
    if unknown := sorted(set(data) - keys):
        raise ValueError(f"unknown keys {unknown}")
    for key, value in data.items():
        if not _fits(key, value):
            raise TypeError(f"{key} is {value!r:.80}")


def _fits(key: str, value: Any) -> bool:
    """Whether a key holds what it is meant to; a text in place of a list would be its letters."""
    if key in _TEXTS:
        return isinstance(value, str)
    if key in _LISTS:
        return _texts(value) if key != "symptoms" else isinstance(value, list)
    if key == "always":
        return isinstance(value, bool)
    inner = value.values() if isinstance(value, dict) else (None,)
    if key == "versions":
        return _texts(list(inner))
    return all(map(_texts, inner)) if key == "spares" else isinstance(value, dict)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
