"""Reading ``*.toml`` beside this file, and deciding whether one explains what a case showed.

A file holds one deviation:

    summary = "what goes wrong, in a sentence"
    clauses = ["resume.*"]                       # shell patterns of clause ids
    tests = ["test_speeds"]                      # optional: shell patterns of test names
    link = "https://…"                           # upstream report, or "" while there is none
    script = "native_resume.py"                  # under scripts/, needs the libraries alone
    always = true                                # optional: false when a listed case may pass
    trainers = ["trl:SFTTrainer"]                # optional: by these (and subclasses) alone
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
"""

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from conformance.scenarios import Scenario

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - exercised on Python 3.10 only
    import tomli as tomllib

FOLDER = Path(__file__).parent
LIBRARIES = ("transformers", "peft", "accelerate", "torch", "bitsandbytes", "trl", "deepspeed")
_KEYS = {
    *("summary", "clauses", "tests", "link", "script", "always"),
    *("trainers", "spares", "versions", "when", "symptom"),
}


class DeviationError(ValueError):
    """A deviation's file is not well formed; the message names the file."""


@dataclass(frozen=True, slots=True)
class CaseKey:
    """What a case is: a clause, the test that judges it, and the scenario it meets.

    ``lineage`` names the Trainer class judged and those it inherits from, as ``package:Class``.
    """

    clause: str
    test: str
    scenario: Scenario | None
    lineage: frozenset[str] = frozenset({"transformers:Trainer"})


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a case showed: the error's type and message, and the training's phase if it had one."""

    error: str
    message: str
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One known deviation; see the module for the fields."""

    id: str
    summary: str
    clauses: tuple[str, ...]
    tests: tuple[str, ...]
    link: str
    script: str
    always: bool
    trainers: frozenset[str]
    spares: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, str]
    when: Mapping[str, Any]
    error: str
    message: str
    phase: str

    def concerns(self, clause: str) -> bool:
        """Whether it touches a clause at all."""
        return any(fnmatchcase(clause, pattern) for pattern in self.clauses)

    def expected_of(self, case: "CaseKey", versions: Mapping[str, str]) -> bool:
        """Whether this case, on this stack, is listed as deviating."""
        return (
            self.concerns(case.clause)
            and any(fnmatchcase(case.test, pattern) for pattern in self.tests)
            and self.holds_for(case, versions)
        )

    def holds_for(self, case: "CaseKey", versions: Mapping[str, str]) -> bool:
        """Whether a training of this case, by this Trainer on this stack, is one it is about."""
        return (
            self.listed_for(versions)
            and (not self.trainers or bool(self.trainers & case.lineage))
            and not any(
                fnmatchcase(case.clause, pattern)
                for trainer in case.lineage
                for pattern in self.spares.get(trainer, ())
            )
            and meets(case.scenario, self.when)
        )

    def listed_for(self, versions: Mapping[str, str]) -> bool:
        """Whether it is known of these releases."""
        return all(_installed(versions, *pinned) for pinned in self.versions.items())

    def shows(self, symptom: Symptom) -> bool:
        """Whether the symptom is the one listed."""
        return (
            symptom.error == self.error
            and symptom.phase in (self.phase or symptom.phase,)
            and re.search(self.message, symptom.message) is not None
        )


def load(folder: Path = FOLDER) -> tuple[Deviation, ...]:
    """All deviations in a folder, by file name. Raises `DeviationError`."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


_heeded = True


def heed(whether: bool) -> None:
    """Whether this process knows the shipped deviations; without them each one is a failure."""
    global _heeded  # noqa: PLW0603
    _heeded = whether


def _shipped() -> tuple[Deviation, ...]:
    return _loaded() if _heeded else ()


@cache
def _loaded() -> tuple[Deviation, ...]:
    return load()


def listed(case: CaseKey, versions: Mapping[str, str] | None = None) -> tuple[Deviation, ...]:
    """The shipped deviations under which this case is expected to deviate.

    ``versions`` maps distribution names to versions; the installed ones unless given.
    """
    found = installed_versions() if versions is None else versions
    return tuple(d for d in _shipped() if d.expected_of(case, found))


def explaining(case: CaseKey, symptom: Symptom) -> Deviation | None:
    """The shipped deviation that explains a symptom of a case, if there is one."""
    return next((d for d in listed(case) if d.shows(symptom)), None)


def preventing(case: CaseKey, symptom: Symptom) -> Deviation | None:
    """The shipped deviation, of whatever clause, that explains why a training did not end.

    It has to say which scenarios it is about: what a test has done to a checkpoint, such as killing
    its writer, explains no other test's training.
    """
    versions = installed_versions()
    met = (d for d in _shipped() if d.phase and d.when and d.holds_for(case, versions))
    return next((d for d in met if d.shows(symptom)), None)


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


def _installed(versions: Mapping[str, str], package: str, specifier: str) -> bool:
    version = versions.get(package)
    return version is not None and SpecifierSet(specifier).contains(version, prereleases=True)


def meets(scenario: Scenario | None, when: Mapping[str, Any]) -> bool:
    """Whether a scenario fulfils every condition: a value, a list of values, or ``{min = 2}``."""
    return all(_meets(scenario, *condition) for condition in when.items())


def _meets(scenario: Scenario | None, name: str, wanted: Any) -> bool:
    if scenario is None:
        return False
    value = getattr(scenario, name)
    if isinstance(wanted, Mapping):
        return bool(value >= wanted["min"])
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def _read(path: Path) -> Deviation:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return _checked(path.stem, data)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, re.error, InvalidSpecifier) as error:
        raise DeviationError(f"{path.name}: {type(error).__name__}: {error}") from error


def _checked(name: str, data: dict[str, Any]) -> Deviation:
    unknown = set(data) - _KEYS
    if unknown:
        raise DeviationError(f"{name}.toml: unknown keys {sorted(unknown)}")
    symptom = data["symptom"]
    re.compile(symptom["message"])
    for specifier in data["versions"].values():
        SpecifierSet(specifier)
    return Deviation(
        id=name,
        summary=data["summary"],
        clauses=tuple(data["clauses"]),
        tests=tuple(data.get("tests", ["*"])),
        link=data["link"],
        script=data["script"],
        always=data.get("always", True),
        trainers=frozenset(data.get("trainers", ())),
        spares={name: tuple(patterns) for name, patterns in data.get("spares", {}).items()},
        versions=data["versions"],
        when=data.get("when", {}),
        error=symptom["error"],
        message=symptom["message"],
        phase=symptom.get("phase", ""),
    )
