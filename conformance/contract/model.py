"""What a contract is made of: `Contract`, its `Chapter`s, their `Clause`s and `Level`s."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class ContractError(ValueError):
    """The contract, or what was asked of it, is wrong; the message says where."""


class UnknownClause(ContractError):
    """No clause has that id; the message names those that come close."""


class UnknownChapter(ContractError):
    """No chapter has that name; the message names those that come close."""


class Level(str, Enum):
    """How binding a clause is, in the words of RFC 2119.

    ``MUST`` is documented and gates, ``SHOULD`` warns, ``OBSERVED`` is recorded and never gates.
    Source: https://www.rfc-editor.org/rfc/rfc2119
    """

    MUST = "MUST"
    SHOULD = "SHOULD"
    OBSERVED = "OBSERVED"

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise.

    ``source`` is the passage of the documentation it rests on, ``broken`` what a user would see if
    it broke, ``floor`` the least number of cases that must judge it in profile quick, ``since``
    the first version of a package it holds for, ``needs`` what the machine must have (``cuda``,
    ``distributed``) or must train on (``cpu``).
    """

    id: str
    chapter: str
    level: Level
    statement: str
    source: str
    broken: str
    floor: int = 1
    since: Mapping[str, str] = field(default_factory=dict, hash=False)
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """Clauses on one subject, in the order they are read."""

    name: str
    title: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """All chapters, in the order they are read."""

    chapters: tuple[Chapter, ...]

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The clauses of all chapters, in order."""
        return tuple(clause for chapter in self.chapters for clause in chapter.clauses)

    def clause(self, identifier: str) -> Clause:
        """The clause of that id; raises `UnknownClause`."""
        found = {clause.id: clause for clause in self.clauses}
        if identifier not in found:
            raise UnknownClause(_unknown("clause", identifier, found))
        return found[identifier]

    def chapter(self, name: str) -> Chapter:
        """The chapter of that name; raises `UnknownChapter`."""
        found = {chapter.name: chapter for chapter in self.chapters}
        if name not in found:
            raise UnknownChapter(_unknown("chapter", name, found))
        return found[name]

    def select(
        self, chapters: Iterable[str] = (), clauses: Iterable[str] = ()
    ) -> tuple[Clause, ...]:
        """The clauses of these chapters and these clauses besides, in the contract's order.

        Nothing given means all. Raises `UnknownChapter` and `UnknownClause`.
        """
        ids = {clause.id for name in chapters for clause in self.chapter(name).clauses}
        ids |= {self.clause(identifier).id for identifier in clauses}
        return tuple(clause for clause in self.clauses if not ids or clause.id in ids)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    return f"unknown {kind} {name!r}{hint}"
