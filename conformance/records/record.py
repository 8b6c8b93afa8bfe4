"""`Record`: everything one run found out, as plain data that goes to JSON and back."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from numbers import Integral, Real
from typing import Any

from .stack import Stack
from .tried import added_up
from .verdict import Verdict

SCHEMA = 1
"""The version of the record's shape; a reader accepts no other."""

Value = int | float | str | bool

_VARYING = re.compile(r"/\S+/|[-+]?\d[\d.e+-]*")
_IF_GIVEN = ("samples", "script", "reproduced")  # fields written only where they say more


@dataclass(frozen=True, slots=True)
class Case:
    """One clause judged on one scenario.

    ``id`` is made of the scenario and is the same on every stack; ``scenario`` holds the fields
    that differ from their defaults; ``evidence`` what was measured, ``samples`` what its figures
    are made of, such as seconds a step; ``reproducer`` a command or a script; ``deviation`` the id
    of the known deviation that matched, if one did, in a failure of one that would, were it listed
    for these versions. ``script`` is the path, in the folder of the record, of a program that shows
    a failure with the libraries alone, and ``reproduced`` what came of running it, or why there is
    none.
    """

    id: str
    clause: str
    scenario: Mapping[str, Any]
    verdict: Verdict
    evidence: Mapping[str, Value] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""
    reproducer: str = ""
    deviation: str = ""
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    script: str = ""
    reproduced: str = ""

    @property
    def headline(self) -> str:
        """The first line of the message."""
        return (self.message.splitlines() or [""])[0]

    @property
    def kind(self) -> str:
        """The headline without folders and numbers, in which alike failures differ."""
        return _VARYING.sub("…", self.headline)

    def to_json(self) -> dict[str, Any]:
        """JSON values; numbers that JSON lacks (nan, inf) become strings."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            **{name: value for name, value in named.items() if value or name not in _IF_GIVEN},
            "scenario": {name: _finite(value) for name, value in self.scenario.items()},
            "verdict": self.verdict.value,
            "evidence": {name: _plain(value) for name, value in self.evidence.items()},
            **({"samples": self._listed()} if self.samples else {}),
        }

    def _listed(self) -> dict[str, list[float]]:
        return {name: list(values) for name, values in self.samples.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Case":
        """The case that `to_json` described."""
        samples = {name: tuple(values) for name, values in data.get("samples", {}).items()}
        return cls(**{**data, "verdict": Verdict(data["verdict"]), "samples": samples})


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """What all cases of one clause came to; ``reason`` says why when no single case does."""

    id: str
    chapter: str
    level: str
    verdict: Verdict
    reason: str = ""
    cases: tuple[Case, ...] = ()

    @property
    def judged(self) -> int:
        """How many cases ran."""
        return sum(case.verdict is not Verdict.NOT_RUN for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "id": self.id,
            "chapter": self.chapter,
            "level": self.level,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "cases": [case.to_json() for case in self.cases],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ClauseResult":
        """The result that `to_json` described."""
        cases = tuple(map(Case.from_json, data["cases"]))
        return cls(**{**data, "verdict": Verdict(data["verdict"]), "cases": cases})


@dataclass(frozen=True, slots=True)
class Selection:
    """The chapters and clauses a run was asked for; both empty for all of them."""

    chapters: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One run.

    ``started`` is ISO 8601 in UTC. ``fault`` names a defect that was planted on purpose, and
    ``deviations_ignored`` says that known deviations were failures. ``resumed`` are the times, as
    ``started``, at which the run went on after it had been broken off.
    ``timing`` holds ``wall``, ``imports``, ``training``, ``reference`` and ``overhead`` in seconds,
    ``trainings``, ``launches`` (those in processes of their own), ``peak_rss_mib`` and ``workers``,
    of a run that was resumed since the last time.
    """

    suite_version: str
    started: str
    stack: Stack
    profile: str
    seed: int = 0
    trainer: str = "transformers:Trainer"
    fault: str = ""
    strict: bool = False
    deviations_ignored: bool = False
    selection: Selection = Selection()
    clauses: tuple[ClauseResult, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict)
    complete: bool = False
    resumed: tuple[str, ...] = ()
    schema: int = SCHEMA

    @property
    def counts(self) -> dict[str, int]:
        """How many clauses got each verdict; verdicts that none got are left out."""
        return _count(clause.verdict for clause in self.clauses)

    @property
    def case_counts(self) -> dict[str, int]:
        """How many cases got each verdict; verdicts that none got are left out."""
        return _count(case.verdict for clause in self.clauses for case in clause.cases)

    @property
    def tried(self) -> dict[str, dict[str, int]]:
        """How often what was done to trainings on purpose got which outcome: see `tried`."""
        return added_up(self.clauses)

    @property
    def exit_status(self) -> int:
        """0 conforms, 1 something unexpected, 2 the harness failed somewhere or judged nothing.

        What is broken counts before an error of the harness: it stands whatever else went wrong.
        """
        if any(map(self.unexpected, self.clauses)):
            return 1
        failed = any(clause.verdict is Verdict.ERROR for clause in self.clauses)
        return 2 if failed or not self.judged_anything else 0

    @property
    def judged_anything(self) -> bool:
        """Whether a single case ran: silence is not a pass."""
        return any(clause.verdict is not Verdict.NOT_RUN for clause in self.clauses)

    def unexpected(self, clause: ClauseResult) -> bool:
        """Whether this clause alone keeps the run from conforming; needs ``strict`` to tell."""
        if clause.level not in (("MUST", "SHOULD") if self.strict else ("MUST",)):
            return False
        return clause.verdict.broken or (self.strict and clause.verdict is Verdict.FIXED)

    def to_json(self) -> dict[str, Any]:
        """JSON values in the order a reader wants them."""
        return {
            "schema": self.schema,
            "complete": self.complete,
            "suite_version": self.suite_version,
            "started": self.started,
            **({"resumed": list(self.resumed)} if self.resumed else {}),
            "stack": self.stack.to_json(),
            "profile": self.profile,
            "seed": self.seed,
            "trainer": self.trainer,
            **({"fault": self.fault} if self.fault else {}),
            "strict": self.strict,
            **({"deviations_ignored": True} if self.deviations_ignored else {}),
            "selection": {
                "chapters": list(self.selection.chapters),
                "clauses": list(self.selection.clauses),
            },
            "counts": self.counts,
            "case_counts": self.case_counts,
            **({"tried": tried} if (tried := self.tried) else {}),
            "timing": {name: _plain(value) for name, value in self.timing.items()},
            "clauses": [clause.to_json() for clause in self.clauses],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Record":
        """The record that `to_json` described; its shape is checked by `records.read`."""
        derived = ("counts", "case_counts", "tried")
        chosen = data["selection"]
        return cls(
            **{
                **{name: value for name, value in data.items() if name not in derived},
                "stack": Stack(**data["stack"]),
                "resumed": tuple(data.get("resumed", ())),
                "selection": Selection(tuple(chosen["chapters"]), tuple(chosen["clauses"])),
                "clauses": tuple(map(ClauseResult.from_json, data["clauses"])),
            }
        )


def _count(verdicts: Any) -> dict[str, int]:
    found = Counter(verdicts)
    return {verdict.value: found[verdict] for verdict in Verdict if found[verdict]}


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _plain(value: object) -> Value:
    """A JSON value for a number of any library; what is neither number nor text becomes text."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and isfinite(value):
        return float(value)
    return str(value)
