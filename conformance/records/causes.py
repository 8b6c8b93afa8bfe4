"""Failures of one cause: the same exception from the same place, or the same known deviation.

What a check itself found is taken for the same only where it names that exception.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from .raised import normalizer, raised, told
from .record import Case, Record
from .verdict import Verdict

Key = tuple[str, str, str]
Normal = Callable[[str], str]
LEAST = 2  # clauses: what one alone shows is told with it
_BROKEN = (Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True)
class Cause:
    """What several clauses fail of.

    ``said`` is what one case said was raised and ``place`` where, in a library. ``deviation`` is
    the id of a known deviation that all look like, which is not listed for these versions.
    ``unjudged`` are the cases that it kept from being judged at all.
    """

    said: str
    place: str
    deviation: str
    cases: tuple[Case, ...]
    unjudged: tuple[Case, ...] = ()

    @cached_property
    def clauses(self) -> tuple[str, ...]:
        """The ids of the clauses that fail of it."""
        return tuple(dict.fromkeys(case.clause for case in self.cases))

    @cached_property
    def not_judged(self) -> tuple[str, ...]:
        """The ids of further clauses that have cases which it kept from being judged."""
        found = dict.fromkeys(case.clause for case in self.unjudged)
        return tuple(clause for clause in found if clause not in self.clauses)

    @cached_property
    def keys(self) -> frozenset[tuple[str, str, str]]:
        """What tells its cases from others: see `told_apart`."""
        return frozenset(map(told_apart, self.cases))

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """Clause and id of each case that fails of it, or was not judged for it."""
        return frozenset((case.clause, case.id) for case in (*self.cases, *self.unjudged))

    def among(self, chosen: Iterable[tuple[str, str]]) -> "Cause":
        """The same of the cases chosen, by clause and id."""
        wanted = frozenset(chosen)

        def kept(cases: tuple[Case, ...]) -> tuple[Case, ...]:
            return tuple(case for case in cases if (case.clause, case.id) in wanted)

        return replace(self, cases=kept(self.cases), unjudged=kept(self.unjudged))


def told_apart(case: Case) -> tuple[str, str, str]:
    """What tells one case of a record from the others."""
    return case.clause, case.id, case.message


def causes(record: Record) -> tuple[Cause, ...]:
    """What touches at least `LEAST` clauses of a record, what most of them fail of first."""
    every = [case for clause in record.clauses for case in clause.cases]
    failing = [case for case in every if case.verdict in _BROKEN]
    normal = normalizer(_names(failing))
    found: dict[Key, list[Case]] = defaultdict(list)
    rest: list[Case] = []
    for case in failing:
        key = _key(case, normal)
        (found[key] if key else rest).append(case)
    only = _unmistakable(found)
    for case in rest:
        if key := _met(case, only, normal):
            found[key].append(case)
    unjudged: dict[Key, list[Case]] = defaultdict(list)
    for case in every:
        if case.verdict is Verdict.NOT_RUN and (key := _met(case, only, normal)):
            unjudged[key].append(case)
    return shared(_cause(key, cases, unjudged[key]) for key, cases in found.items())


def shared(found: Iterable[Cause]) -> tuple[Cause, ...]:
    """Those that several clauses fail of, or are not judged for; what most fail of first."""
    several = [c for c in found if c.cases and len(c.clauses) + len(c.not_judged) >= LEAST]
    return tuple(sorted(several, key=lambda cause: (-len(cause.clauses), -len(cause.cases))))


def _key(case: Case, normal: Normal) -> Key | None:
    """What failures of one cause have in common; `None` where nothing says what it is."""
    if case.deviation:
        return ("", "", case.deviation)
    error = raised(case)
    return None if error is None else (error.type, normal(error.text), error.place)


def _names(cases: Iterable[Case]) -> frozenset[str]:
    """Words that name a scenario: architectures, adapters and the like."""
    given = (value for case in cases for value in case.scenario.values())
    return frozenset(value for value in given if isinstance(value, str) and value)


def _unmistakable(found: Iterable[Key]) -> dict[tuple[str, str], Key]:
    """By type and message, the keys of what comes from one place alone."""
    places: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for key in found:
        places[key[:2]].append(key)
    return {error: keys[0] for error, keys in places.items() if len(keys) == 1 and error[0]}


def _met(case: Case, only: Mapping[tuple[str, str], Key], normal: Normal) -> Key | None:
    """The cause whose exception a message names, though it is not about that; or none."""
    named = (only.get((kind, normal(text))) for kind, text in told(case))
    return next(filter(None, named), None)


def _cause(key: Key, cases: Iterable[Case], unjudged: Iterable[Case]) -> Cause:
    cases = tuple(cases)
    error = next(filter(None, map(raised, cases)), None)
    return Cause(
        said=str(error) if error else cases[0].headline,
        place=error.place if error else "",
        deviation="" if key[0] else key[2],
        cases=cases,
        unjudged=tuple(unjudged),
    )
