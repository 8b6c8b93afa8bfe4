"""Cases that are shown by one of them: those of a clause that fail alike, and those of a cause."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from conformance.records import Case, Cause, Verdict, worst
from conformance.records.raised import raised

from .summary import counted

_ANSI = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")
_TRACE = re.compile(
    r"^Traceback \(most recent call last\):\n.*?(?=^as the known deviation |\Z)", re.DOTALL | re.M
)
_GOT = re.compile(r"^ +got: +(.+)", re.MULTILINE)
_GIST = 160  # characters
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """``text`` without terminal colours and without characters that XML does not allow."""
    return _NOT_TEXT.sub("", _ANSI.sub("", text))


def _unshown(case: Case) -> tuple[bool, bool]:
    """Whether no script showed it, and whether it has none: the other way round to be chosen."""
    return not (case.script and case.reproduced.startswith("reproduced")), not case.script


@dataclass(frozen=True)
class Group:
    """Cases of one clause with the same verdict whose messages begin alike: see `Case.kind`.

    ``cause`` is the number of the `CauseView` that they belong to, 0 where they belong to none.
    """

    verdict: Verdict
    cases: tuple[Case, ...]
    cause: int = 0

    @cached_property
    def example(self) -> Case:
        """The one that a script shows, or has one, or else the one of the smallest scenario."""
        return min(self.cases, key=lambda case: (*_unshown(case), len(case.scenario)))

    @property
    def headline(self) -> str:
        """The line that the example's message begins with."""
        return clean(self.example.headline)

    @property
    def gist(self) -> str:
        """The same with what was got, on a line, where the message says so."""
        got = _GOT.search(self.message)
        whole = f"{self.headline}: {got[1]}" if got else self.headline
        return whole if len(whole) <= _GIST else f"{whole[: _GIST - 2]} …"

    @property
    def message(self) -> str:
        """The example's whole message."""
        return clean(self.example.message)

    @property
    def untraced(self) -> str:
        """The message without the lines of a traceback, as far as it says anything else."""
        return _TRACE.sub("", self.message).strip("\n") or self.message

    @property
    def trace(self) -> str:
        """The traceback in the message; empty where there is none, or it is all there is."""
        found = _TRACE.search(self.message)
        return found[0].strip("\n") if found and self.untraced != self.message else ""

    @property
    def reproducer(self) -> str:
        """What runs the example again."""
        return clean(self.example.reproducer)

    @property
    def script(self) -> str:
        """The program that shows the example with the libraries alone; may be empty."""
        return clean(self.example.script)

    @property
    def reproduced(self) -> str:
        """What came of running that program, or why there is none."""
        return clean(self.example.reproduced)

    @property
    def stand_alone(self) -> str:
        """The script and what came of it in a line; why there is none; or nothing."""
        return f"{self.script}: {self.reproduced}" if self.script else self.reproduced

    @property
    def evidence(self) -> str:
        """What was measured in the example, as ``name=value`` separated by commas."""
        return clean(", ".join(f"{k}={shown(v)}" for k, v in self.example.evidence.items()))


@dataclass(frozen=True)
class CauseView(Group):
    """What several clauses fail of, shown by one of its cases; ``cause`` numbers it, from 1."""

    found: Cause = field(kw_only=True)

    @cached_property
    def example(self) -> Case:
        """The one that a script shows, or has one, or else of those that it ended the smallest."""

        def rank(case: Case) -> tuple[bool, bool, bool, int]:
            return (*_unshown(case), raised(case) is None, len(case.scenario))

        return min(self.cases, key=rank)

    @property
    def said(self) -> str:
        """What was raised, in one case's words."""
        return clean(self.found.said)

    @property
    def place(self) -> str:
        """Where in a library; may be empty."""
        return clean(self.found.place)

    @property
    def known(self) -> str:
        """The known deviation that it looks like, in words; may be empty."""
        named = clean(self.found.deviation)
        return f"the known deviation {named}, which is listed for other releases" if named else ""

    @property
    def name(self) -> str:
        """What to refer to it by."""
        return f"cause {self.cause}"

    @cached_property
    def chapters(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the clauses that fail of it, by chapter."""
        found: dict[str, list[str]] = defaultdict(list)
        for clause in self.found.clauses:
            found[clause.partition(".")[0]].append(clause)
        return {chapter: tuple(clauses) for chapter, clauses in found.items()}

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The ids of further clauses that have cases which it kept from being judged."""
        return self.found.not_judged

    @property
    def count(self) -> str:
        """How many clauses and cases fail of it, and how many it kept from being judged."""
        clauses, cases = len(self.found.clauses), counted(len(self.cases), "case")
        kept = len(self.found.unjudged)
        more = f"; {counted(kept, 'more case')} could not be judged for it" if kept else ""
        return f"{counted(clauses, 'clause')}, {cases}{more}"


def cause_views(found: Iterable[Cause]) -> tuple[CauseView, ...]:
    """The causes as reports show them, numbered from 1."""
    return tuple(
        CauseView(worst(case.verdict for case in cause.cases), cause.cases, number, found=cause)
        for number, cause in enumerate(found, 1)
    )


def shown(value: object) -> str:
    """A measured value in few characters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
