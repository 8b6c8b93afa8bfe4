"""Trying one combination of versions: does it show the defect?"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.records import Record, Verdict, read, worst

from .keeping import State
from .matrixfile import Row
from .search import Outcome

Pins = Mapping[str, str]
JudgeRow = Callable[[Row, Path], State]

TRIALS = "trials"
_GOOD = (Verdict.PASS, Verdict.FIXED)
_UNKNOWN = (Verdict.NOT_RUN, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Question:
    """The clause in question; with ``case`` the id of the one case of it that counts."""

    clause: str
    case: str = ""

    def answer(self, record: Record) -> tuple[Outcome, Verdict, str]:
        """What a record says: the outcome, the verdict it rests on, and a line of why.

        A listed deviation shows a defect as well as an unexpected failure does. A clause is as
        bad as its worst case; that an old release leaves fewer cases to judge is no defect.
        """
        (clause,) = (each for each in record.clauses if each.id == self.clause)
        cases = [case for case in clause.cases if self.case in ("", case.id)]
        if self.case and not cases:
            return Outcome.UNKNOWN, Verdict.NOT_RUN, f"there is no case {self.case}"
        verdict = worst(case.verdict for case in cases)
        said = [case.message for case in cases if case.verdict is verdict] or [clause.reason]
        line = (said[0].splitlines() or [""])[0]
        if verdict in _UNKNOWN:
            return Outcome.UNKNOWN, verdict, line
        return (Outcome.GOOD if verdict in _GOOD else Outcome.BAD), verdict, line


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination that was tried.

    ``pins`` map each package that was asked for to its version. ``verdict`` is empty when nothing
    was judged: ``reason`` then says why. ``built`` is false where the versions do not go together.
    ``folder`` holds the record.
    """

    pins: Pins
    outcome: Outcome
    verdict: str
    reason: str
    seconds: float
    built: bool
    folder: Path

    def without(self, package: str) -> dict[str, str]:
        """What was asked for beside a package."""
        return {name: version for name, version in self.pins.items() if name != package}

    def to_json(self) -> dict[str, object]:
        """JSON values; the folder by its name."""
        return {
            "pins": dict(self.pins),
            "outcome": str(self.outcome),
            "verdict": self.verdict,
            "reason": self.reason,
            "seconds": self.seconds,
            "folder": f"{TRIALS}/{self.folder.name}",
        }


@dataclass(slots=True)
class Laboratory:
    """Tries combinations, each once; ``trials`` are those tried so far, in their order."""

    question: Question
    folder: Path
    judge: JudgeRow
    say: Callable[[str], None]
    trials: list[Trial] = field(default_factory=list)

    def trial(self, pins: Pins) -> Trial:
        """What a combination shows, judged unless it was already."""
        for known in self.trials:
            if dict(known.pins) == dict(pins):
                return known
        found = self._judged(pins)
        self.trials.append(found)
        self.say(f"{shown(pins)}: {found.outcome} ({found.verdict or found.reason})")
        return found

    def _judged(self, pins: Pins) -> Trial:
        specs = tuple(f"{name}=={version}" for name, version in pins.items())
        place = self.folder / TRIALS / _folder(pins)
        state = self.judge(Row(len(self.trials), _folder(pins), specs), place)
        if state.reason:
            return Trial(pins, Outcome.UNKNOWN, "", state.reason, state.seconds, False, place)
        outcome, verdict, line = self.question.answer(read(place))
        return Trial(pins, outcome, str(verdict), line, state.seconds, True, place)


def shown(pins: Pins) -> str:
    """The packages and their versions, as a sentence has them."""
    return ", ".join(f"{name} {version}" for name, version in pins.items())


def _folder(pins: Pins) -> str:
    name = "+".join(f"{package}-{version}" for package, version in pins.items())
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", name)
