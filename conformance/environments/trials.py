"""Trying combinations of versions, each once: does one show the defect?"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from conformance.records import Case, ClauseResult, Record, Verdict, read, worst

from .matrixfile import Row
from .search import Outcome
from .stack_folder import State

Pins = Mapping[str, str]
JudgeRow = Callable[[Row, Path], State]

TRIALS = "trials"
_GOOD = (Verdict.PASS, Verdict.FIXED)
_UNKNOWN = (Verdict.NOT_RUN, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Question:
    """The clause in question; with ``case`` only cases whose ids begin so count.

    With ``among`` only cases of these very ids do.
    """

    clause: str
    case: str = ""
    among: frozenset[str] = frozenset()

    def answer(self, record: Record) -> tuple[Outcome, Verdict, str]:
        """What a record says: the outcome, the verdict it rests on, and a line of why.

        A listed deviation shows a defect as well as an unexpected failure does. A clause is as
        bad as its worst case; that an old release leaves fewer cases to judge is no defect.
        """
        (clause,) = (each for each in record.clauses if each.id == self.clause)
        cases = self._counting(clause)
        if clause.cases and not cases:
            wanted = self.case or "of those that count"
            return Outcome.UNKNOWN, Verdict.NOT_RUN, f"there is no case {wanted}"
        verdict = worst(case.verdict for case in cases)
        said = [case.message for case in cases if case.verdict is verdict] or [clause.reason]
        line = (said[0].splitlines() or [""])[0]
        if verdict in _UNKNOWN:
            return Outcome.UNKNOWN, verdict, line
        return (Outcome.GOOD if verdict in _GOOD else Outcome.BAD), verdict, line

    def between(self, conforming: Record, failing: Record) -> "Question":
        """The question narrowed to the cases that hold in one record and not in the other."""
        held = {case.id for case in self._of(conforming) if case.verdict in _GOOD}
        lost = {case.id for case in self._of(failing) if case.verdict not in (*_GOOD, *_UNKNOWN)}
        return replace(self, among=frozenset(held & lost))

    def _of(self, record: Record) -> list[Case]:
        return [case for each in record.clauses for case in self._counting(each)]

    def _counting(self, clause: ClauseResult) -> list[Case]:
        if clause.id != self.clause:
            return []
        begun = [case for case in clause.cases if case.id.startswith(self.case)]
        return [case for case in begun if not self.among or case.id in self.among]


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
class TrialRunner:
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

    def narrow(self, conforming: Trial, failing: Trial) -> bool:
        """Ask from now on for the cases alone that hold in one trial and not in the other.

        What was tried is answered anew from its record. `False` when there are no such cases.
        """
        narrowed = self.question.between(read(conforming.folder), read(failing.folder))
        if not narrowed.among or narrowed == self.question:
            return False
        self.question = narrowed
        self.trials = [self._answered(each) for each in self.trials]
        return True

    def so_far(self) -> str:
        """What is known where this is broken off."""
        if not self.trials:
            return " before anything was judged"
        found = "; ".join(f"{shown(each.pins)} {each.outcome}" for each in self.trials)
        return f": {found}; kept in {self.folder}, the same command goes on"

    def _answered(self, trial: Trial) -> Trial:
        if not trial.built:
            return trial
        outcome, verdict, line = self.question.answer(read(trial.folder))
        return replace(trial, outcome=outcome, verdict=str(verdict), reason=line)

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
