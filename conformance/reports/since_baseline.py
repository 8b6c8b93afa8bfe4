"""Since when a clause is red, and what else changed: as far as the baseline tells."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from conformance.baselines import BaselineChanges
from conformance.records import Verdict

from .summary import counted, first

_HELD: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.ERROR: "met an error of the harness",
        Verdict.CRASH: "crashed",
        Verdict.TIMEOUT: "timed out",
        Verdict.FAIL: "failed",
        Verdict.FIXED: "was a fixed deviation",
        Verdict.DEVIATION: "was a known deviation",
        Verdict.PASS: "passed",
        Verdict.NOT_RUN: "was not run",
    }
)


def since(clause: str, changes: BaselineChanges | None) -> str:
    """What a red clause came to in the baseline, and the packages that moved since it held."""
    if changes is None:
        return ""
    before = {each.id: each.verdict for each in changes.baseline.clauses}.get(clause)
    if before is None:
        return f"not in {_name(changes)}"
    if clause in changes.regressed:
        moved = ", ".join(changes.suspects)
        told = (
            f"suspects: {moved}" if moved else "no package moved since: the machine, or this suite"
        )
        return f"{_HELD[changes.held.get(clause, before)]} in {_name(changes)}; {told}"
    again = " as well: none new" if before.broken else ""
    return f"{_HELD[before]} in {_name(changes)}{again}"


def since_any(clauses: Iterable[str], changes: BaselineChanges | None) -> str:
    """The same of what several clauses fail of: of one that regressed, if one did."""
    every = tuple(clauses)
    regressed = (clause for clause in every if changes and clause in changes.regressed)
    return since(next(regressed, every[0]), changes)


def summed_up(changes: BaselineChanges | None) -> tuple[str, ...]:
    """What differs from the baseline, in two lines at most; none without one."""
    if changes is None:
        return ()
    moved = changes.moves(changes.moved)
    more = (f"moved since the baseline: {', '.join(moved)}",) if moved else ()
    return (compared(changes), *more)


def compared(changes: BaselineChanges) -> str:
    """What became of clauses since the baseline."""
    found = {
        "regressed": changes.regressed,
        "fixed": changes.fixed,
        "no longer run": changes.lost,
    }
    parts = [f"{len(ids)} {what} ({first(ids)})" for what, ids in found.items() if ids]
    said = ", ".join(parts) or "every clause as in it"
    return f"baseline of {changes.date}, {counted(changes.compared, 'case')} in both: {said}"


def _name(changes: BaselineChanges) -> str:
    return f"the baseline of {changes.date}"
