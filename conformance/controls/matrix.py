"""The kill matrix: which clauses each fault turned red, and what that says about the clauses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conformance.contract import Level, load, tested
from conformance.faults import faults

from .outcome import Kind, Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """One caught fault: the clauses that had a say and those that turned red, its own included."""

    fault: str
    clause: str
    judged: frozenset[str]
    red: frozenset[str]

    @property
    def others(self) -> tuple[str, ...]:
        """The other clauses that turned red, sorted."""
        return tuple(sorted(self.red - {self.clause}))


@dataclass(frozen=True, slots=True)
class Proof:
    """One registered fault of a clause; ``became`` is its outcome's kind, empty if not planted."""

    fault: str
    story: str
    became: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """All rows, and what they say.

    ``unproven`` are the MUST clauses with tests that no fault of their own turned red (one whose
    faults cannot be planted here is left out). ``shadowed`` maps a clause to the clauses that
    turned red with every fault that turned it red, in all rows in which both had a say: no fault
    tells it from them, so that it may add nothing to what they say. The faults of a clause turn it
    red by their choice, which alone says nothing of it.
    """

    rows: tuple[Row, ...]
    unproven: tuple[str, ...]
    shadowed: Mapping[str, tuple[str, ...]]


def matrix(outcomes: Iterable[Outcome]) -> Matrix:
    """The kill matrix of these outcomes; those without one have no row."""
    found = tuple(outcomes)
    rows = tuple(map(_row, filter(_has_row, found)))
    return Matrix(rows, unproven(found), shadowed(rows))


def unproven(outcomes: Iterable[Outcome], chapters: Iterable[str] = ()) -> tuple[str, ...]:
    """The MUST clauses (of these chapters, or all) that no fault of their own turned red."""
    settled = {each.clause for each in outcomes if each.kind in (Kind.CAUGHT, Kind.NOT_RUN)}
    tests, contract = tested(load()), load()
    musts = [clause.id for clause in contract.select(chapters) if clause.level is Level.MUST]
    return tuple(name for name in musts if name in tests and name not in settled)


def shadowed(rows: Iterable[Row]) -> Mapping[str, tuple[str, ...]]:
    """Each clause that no fault tells from some others, with those others; see `Matrix`."""
    known = tuple(rows)
    red = dict.fromkeys(name for row in known for name in (row.clause, *sorted(row.red)))
    found = {clause: tuple(_always_with(clause, red, known)) for clause in red}
    return {clause: others for clause, others in found.items() if others}


def proofs(outcomes: Iterable[Outcome]) -> Mapping[str, tuple[Proof, ...]]:
    """The registered faults of each clause that has some."""
    became = {each.fault: each.kind.value for each in outcomes}
    found: dict[str, list[Proof]] = {}
    for fault in faults().values():
        proof = Proof(fault.name, fault.story, became.get(fault.name, ""))
        found.setdefault(fault.clause, []).append(proof)
    return {clause: tuple(entries) for clause, entries in found.items()}


def _has_row(outcome: Outcome) -> bool:
    return outcome.kind is Kind.CAUGHT and outcome.seen is not None


def _row(outcome: Outcome) -> Row:
    own = {outcome.clause}
    judged = frozenset(own | set(outcome.seen or ()))
    return Row(outcome.fault, outcome.clause, judged, frozenset(own | set(outcome.red or ())))


def _always_with(clause: str, others: Iterable[str], rows: tuple[Row, ...]) -> Iterable[str]:
    mine = [row for row in rows if clause in row.red]
    for other in others:
        both = [row for row in mine if other in row.judged]
        told = any(row.clause != other for row in both)
        if other != clause and told and all(other in row.red for row in both):
            yield other
