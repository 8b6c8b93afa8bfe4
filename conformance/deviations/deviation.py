"""What a known deviation is, and whether it explains what a case showed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from packaging.specifiers import SpecifierSet

from conformance.scenarios import Scenario


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
class Showing:
    """One way in which a deviation shows, and the cases that show it; see the module."""

    clauses: tuple[str, ...]
    tests: tuple[str, ...]
    always: bool
    versions: Mapping[str, str]
    when: Mapping[str, Any]
    error: str
    message: str
    phase: str

    def concerns(self, clause: str) -> bool:
        """Whether it touches a clause at all."""
        return any(fnmatchcase(clause, pattern) for pattern in self.clauses)

    def expected_of(self, case: CaseKey, versions: Mapping[str, str] | None) -> bool:
        """Whether this case, on this stack (on any for `None`), is one that shows it."""
        return (
            self.concerns(case.clause)
            and any(fnmatchcase(case.test, pattern) for pattern in self.tests)
            and self.holds_for(case, versions)
        )

    def holds_for(self, case: CaseKey, versions: Mapping[str, str] | None) -> bool:
        """Whether a training of this case, on this stack (any for `None`), is one it is about."""
        known = versions is None or listed_for(self.versions, versions)
        return known and meets(case.scenario, self.when)

    def shows(self, symptom: Symptom) -> bool:
        """Whether the symptom is the one listed."""
        return (
            symptom.error == self.error
            and symptom.phase in (self.phase or symptom.phase,)
            and re.search(self.message, symptom.message) is not None
        )


@dataclass(frozen=True, slots=True)
class Deviation:
    """One known deviation; see the module for the fields.

    ``versions`` are those that its script shows it on, ``always`` is false when it need not,
    ``device`` the one that alone shows it, empty for any.
    """

    id: str
    summary: str
    link: str
    script: str
    always: bool
    versions: Mapping[str, str]
    trainers: frozenset[str]
    spares: Mapping[str, tuple[str, ...]]
    showings: tuple[Showing, ...]
    device: str = ""

    def concerns(self, clause: str) -> bool:
        """Whether it touches a clause at all."""
        return any(showing.concerns(clause) for showing in self.showings)

    def expected_of(self, case: CaseKey, versions: Mapping[str, str] | None) -> tuple[Showing, ...]:
        """In which ways this case, on this stack (on any for `None`), is listed as deviating."""
        if not self.blames(case):
            return ()
        return tuple(each for each in self.showings if each.expected_of(case, versions))

    def blames(self, case: CaseKey) -> bool:
        """Whether it is about the Trainer of this case, in this clause."""
        return (not self.trainers or bool(self.trainers & case.lineage)) and not any(
            fnmatchcase(case.clause, pattern)
            for trainer in case.lineage
            for pattern in self.spares.get(trainer, ())
        )

    def listed_for(self, versions: Mapping[str, str]) -> bool:
        """Whether it is known of these releases."""
        return listed_for(self.versions, versions)


def listed_for(listed: Mapping[str, str], installed: Mapping[str, str]) -> bool:
    """Whether these releases lie in all of the listed ranges."""
    return all(
        package in installed and SpecifierSet(range_).contains(installed[package], prereleases=True)
        for package, range_ in listed.items()
    )


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
