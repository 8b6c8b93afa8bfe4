"""`Subject`: what a Trainer class declares of itself, as plain data."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from conformance.deviations import CaseKey, Symptom, meets
from conformance.scenarios import Scenario

DECLARED = "declared by the subject: "
"""What the reason of every case begins with that a declaration keeps from being judged."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a Trainer class means to do otherwise than the contract says.

    ``clauses`` and ``tests`` are shell patterns of clause ids and test names; ``when`` maps fields
    or properties of the scenario to a value, a list of values or ``{"min": 2}``; ``source`` links
    to where it is documented. With ``symptom``, a regular expression, a case is run and excused
    only when its failure shows it, so that anything else still fails; without, it is not run.
    """

    reason: str
    clauses: tuple[str, ...]
    tests: tuple[str, ...] = ("*",)
    when: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    source: str = ""
    symptom: str = ""

    def concerns(self, case: CaseKey) -> bool:
        """Whether it is about this case."""
        return (
            any(fnmatchcase(case.clause, pattern) for pattern in self.clauses)
            and any(fnmatchcase(case.test, pattern) for pattern in self.tests)
            and meets(case.scenario, self.when)
        )

    def __str__(self) -> str:
        return f"{DECLARED}{self.reason}{f' ({self.source})' if self.source else ''}"


@dataclass(frozen=True, slots=True)
class Subject:
    """How a Trainer class is built for the suite's ready-made examples, and where it differs.

    ``trainer`` and ``arguments`` are the paths (``package.module:Class``) of the class declared for
    and of its arguments' class; ``given`` are arguments it needs besides the scenario's, of which
    those that the installed arguments' class does not know are left out; ``keywords`` maps a
    scenario to further keyword arguments of the Trainer; ``dataset`` makes what it takes as a
    dataset out of a list of examples; ``tasks`` are those it trains (none named: all);
    ``lineage`` names the classes that the class judged inherits from, itself included.
    """

    trainer: str = "transformers:Trainer"
    arguments: str = "transformers:TrainingArguments"
    given: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    keywords: Callable[[Scenario], Mapping[str, Any]] = lambda _: _NOTHING
    dataset: Callable[[list[dict[str, Any]]], Any] = lambda examples: examples
    tasks: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    lineage: frozenset[str] = frozenset({"transformers:Trainer"})

    def key(self, clause: str, test: str, scenario: Scenario | None) -> CaseKey:
        """The case of this subject."""
        return CaseKey(clause, test, scenario, self.lineage)

    def declines(self, case: CaseKey) -> str:
        """Why a case is not run; empty when it is."""
        if case.scenario is not None and not self._trains(case.scenario):
            return f"{DECLARED}{self.trainer} trains {', '.join(self.tasks)} models alone"
        declared = (d for d in self.differences if not d.symptom and d.concerns(case))
        return str(next(declared, ""))

    def excuses(self, case: CaseKey, symptom: Symptom) -> str:
        """Why a case that showed ``symptom`` has not failed; empty when it has."""
        shown = f"{symptom.error}: {symptom.message}"
        declared = (d for d in self.differences if d.symptom and d.concerns(case))
        return str(next((d for d in declared if re.search(d.symptom, shown)), ""))

    def _trains(self, scenario: Scenario) -> bool:
        return not self.tasks or scenario.family.task in self.tasks
