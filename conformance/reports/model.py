"""From a record to what every report shows: chapters, clauses worst first, alike cases together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from conformance.contract import UnknownClause, load
from conformance.records import SEVERITY, Case, ClauseResult, Record, Verdict, causes
from conformance.records.causes import told_apart
from conformance.subjects import DECLARED

from .groups import CauseView, Group, cause_views, clean, shown
from .summary import counted

SHOWN_IN_FULL = (Verdict.ERROR, Verdict.CRASH, Verdict.TIMEOUT, Verdict.FAIL, Verdict.FIXED)
"""The verdicts a report shows with an example; others get one line at most."""


class Extreme(NamedTuple):
    """One number that was measured in cases that passed, each value as it is shown.

    ``case`` is the id of the case with the largest, empty where all are the same.
    """

    name: str
    least: str
    median: str
    largest: str
    case: str


@dataclass(frozen=True)
class ClauseView:
    """One clause as reports show it; what the contract says is empty for one no longer known."""

    result: ClauseResult
    statement: str
    broken: str
    source: str = ""
    causes: tuple[CauseView, ...] = ()

    @property
    def id(self) -> str:
        """The clause's id."""
        return self.result.id

    @property
    def level(self) -> str:
        """MUST, SHOULD or OBSERVED."""
        return self.result.level

    @property
    def verdict(self) -> Verdict:
        """The clause's verdict."""
        return self.result.verdict

    @property
    def alarming(self) -> bool:
        """Whether a report shows it in full."""
        return self.verdict in SHOWN_IN_FULL

    @property
    def reason(self) -> str:
        """Why, when no single case says so."""
        return clean(self.result.reason)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The cases that did not pass, worst and then most frequent first."""
        found: dict[tuple[Verdict, str, int], list[Case]] = defaultdict(list)
        for case in self.result.cases:
            if case.verdict is not Verdict.PASS:
                found[case.verdict, case.kind, self._cause_of(case)].append(case)
        groups = [Group(verdict, tuple(of), cause) for (verdict, _, cause), of in found.items()]
        return tuple(sorted(groups, key=lambda g: (SEVERITY.index(g.verdict), -len(g.cases))))

    def _cause_of(self, case: Case) -> int:
        key = told_apart(case)
        return next((each.cause for each in self.causes if key in each.found.keys), 0)

    @property
    def full_groups(self) -> tuple[Group, ...]:
        """The groups that a report shows with an example."""
        return tuple(group for group in self.groups if group.verdict in SHOWN_IN_FULL)

    @property
    def own_groups(self) -> tuple[Group, ...]:
        """Those of them that no cause shows which other clauses share."""
        return tuple(group for group in self.full_groups if not group.cause)

    @property
    def gist(self) -> str:
        """What is wrong, on a line; empty where nothing says so."""
        return self.reason or next((group.gist for group in self.own_groups), "")

    @property
    def shared(self) -> str:
        """How many cases belong to which cause, in words; empty where none does."""
        found = Counter(group.cause for group in self.full_groups for _ in group.cases)
        return ", ".join(
            f"{counted(found[cause], 'case')} of cause {cause}" for cause in sorted(found) if cause
        )

    @property
    def told(self) -> bool:
        """Whether causes that it shares with other clauses say all there is to say."""
        return bool(self.full_groups) and not self.own_groups

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return len(self.result.cases)

    @cached_property
    def listed(self) -> tuple[tuple[str, Verdict], ...]:
        """Its cases, each with its verdict, worst first."""
        ranked = sorted(self.result.cases, key=lambda case: SEVERITY.index(case.verdict))
        return tuple((clean(case.id), case.verdict) for case in ranked)

    @property
    def seconds(self) -> float:
        """What its cases took together."""
        return sum(case.seconds for case in self.result.cases)

    @property
    def tally(self) -> str:
        """How many cases got each verdict, worst first."""
        given = Counter(case.verdict for case in self.result.cases)
        return ", ".join(f"{given[each]} {each}" for each in SEVERITY if given[each])

    @cached_property
    def extremes(self) -> tuple[Extreme, ...]:
        """Each number that was measured in cases that passed."""
        found: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for case in self.result.cases:
            for name, value in case.evidence.items():
                if case.verdict is Verdict.PASS and _is_number(value):
                    found[clean(name)].append((float(value), clean(case.id)))
        return tuple(_extreme(name, sorted(values)) for name, values in found.items())


@dataclass(frozen=True)
class ChapterView:
    """One chapter as reports show it; its clauses worst first."""

    name: str
    title: str
    clauses: tuple[ClauseView, ...]

    @cached_property
    def counts(self) -> Mapping[Verdict, int]:
        """How many clauses got each verdict, worst first; those that none got are left out."""
        given = [clause.verdict for clause in self.clauses]
        return {verdict: given.count(verdict) for verdict in SEVERITY if verdict in given}


@dataclass(frozen=True)
class DeviationView:
    """One known deviation and the cases that showed it."""

    id: str
    cases: tuple[Case, ...]

    @property
    def summary(self) -> str:
        """What goes wrong, as listed."""
        return clean(self.cases[0].headline)

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses it touches."""
        return tuple(dict.fromkeys(case.clause for case in self.cases))


@dataclass(frozen=True)
class View:
    """A record as every report shows it; chapters in the contract's order.

    ``causes`` are what several clauses fail of, what most of them do first.
    """

    record: Record
    chapters: tuple[ChapterView, ...]
    causes: tuple[CauseView, ...] = ()

    @cached_property
    def clauses(self) -> tuple[ClauseView, ...]:
        """The clauses of all chapters, worst first."""
        return _worst_first(clause for chapter in self.chapters for clause in chapter.clauses)

    @property
    def alarming(self) -> tuple[ClauseView, ...]:
        """The clauses that a report shows with examples."""
        return tuple(clause for clause in self.clauses if clause.alarming)

    @property
    def apart(self) -> tuple[ClauseView, ...]:
        """Those of them that causes do not tell."""
        return tuple(clause for clause in self.alarming if not clause.told)

    @cached_property
    def deviations(self) -> tuple["DeviationView", ...]:
        """Known deviations that showed, those of most cases first."""
        found: dict[str, list[Case]] = defaultdict(list)
        for clause in self.clauses:
            for case in clause.result.cases:
                if case.verdict is Verdict.DEVIATION:
                    found[case.deviation].append(case)
        met = [DeviationView(name, tuple(cases)) for name, cases in found.items()]
        return tuple(sorted(met, key=lambda deviation: -len(deviation.cases)))

    @property
    def declared(self) -> Mapping[str, tuple[Case, ...]]:
        """What the subject declares that it does otherwise, the commonest first, with its cases."""
        found: dict[str, list[Case]] = defaultdict(list)
        for clause in self.clauses:
            for case in clause.result.cases:
                if case.verdict is Verdict.NOT_RUN and case.message.startswith(DECLARED):
                    found[clean(case.message.removeprefix(DECLARED))].append(case)
        return {why: tuple(of) for why, of in sorted(found.items(), key=lambda i: -len(i[1]))}

    @property
    def not_run(self) -> Mapping[str, tuple[str, ...]]:
        """The reasons why clauses were not run, the commonest first, with the clauses' ids."""
        found: dict[str, list[str]] = defaultdict(list)
        for clause in self.clauses:
            if clause.verdict is Verdict.NOT_RUN:
                found[clause.reason].append(clause.id)
        return {why: tuple(ids) for why, ids in sorted(found.items(), key=lambda i: -len(i[1]))}

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts that some clause got, worst first."""
        return tuple(verdict for verdict in SEVERITY if str(verdict) in self.record.counts)


def view(record: Record) -> View:
    """What reports show of a record; texts of clauses come from the installed contract."""
    chapters: dict[str, list[ClauseResult]] = defaultdict(list)
    for result in record.clauses:
        chapters[result.chapter].append(result)
    titles = {chapter.name: chapter.title for chapter in load().chapters}
    shared = cause_views(causes(record))

    def chapter(name: str) -> ChapterView:
        clauses = (_clause(each, shared) for each in chapters[name])
        return ChapterView(name, titles.get(name, name), _worst_first(clauses))

    return View(record, tuple(map(chapter, chapters)), shared)


def _clause(result: ClauseResult, shared: Sequence[CauseView]) -> ClauseView:
    its_own = tuple(cause for cause in shared if result.id in cause.found.clauses)
    try:
        known = load().clause(result.id)
    except UnknownClause:
        return ClauseView(result, "", "", causes=its_own)
    return ClauseView(result, known.statement, known.broken, known.source, its_own)


def _worst_first(clauses: Iterable[ClauseView]) -> tuple[ClauseView, ...]:
    return tuple(sorted(clauses, key=lambda clause: SEVERITY.index(clause.verdict)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _extreme(name: str, values: Sequence[tuple[float, str]]) -> Extreme:
    (least, _), (largest, case) = values[0], values[-1]
    median, _ = values[len(values) // 2]
    different = case if least != largest else ""
    return Extreme(name, shown(least), shown(median), shown(largest), different)
