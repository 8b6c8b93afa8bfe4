"""A record as one HTML file that needs nothing else."""

from collections.abc import Iterable

from conformance import deviations
from conformance.baselines import BaselineChanges
from conformance.contract import load, tested
from conformance.controls.matrix import matrix, proofs
from conformance.controls.outcome import Outcome
from conformance.records import Record
from conformance.records.history import machine

from .model import View, view
from .pages import page
from .since_baseline import since, since_any, summed_up
from .summary import grounds, headline
from .throughput import throughput
from .trend import Histories
from .tried import tried

_OF_A_CLAUSE, _OF_A_PAGE = 200, 6000  # cases listed at most


def html(
    record: Record,
    planted: Iterable[Outcome] = (),
    histories: Histories | None = None,
    changes: BaselineChanges | None = None,
) -> str:
    """The record, what became of planted faults, and what earlier records say of each clause.

    ``changes`` are those since the baseline.
    """
    outcomes = tuple(planted)
    seen = view(record)
    trend = histories and histories.of(record.trainer, record.profile, machine(record.stack))
    return page(
        "report.html.j2",
        view=seen,
        record=record,
        headline=headline(record),
        grounds=grounds(record),
        counts={verdict.value: record.counts[verdict.value] for verdict in seen.verdicts},
        limit=_limit(seen),
        levels=tuple(dict.fromkeys(clause.level for clause in record.clauses)),
        shares=_shares(record),
        baseline=summed_up(changes),
        red={each.id: since(each.id, changes) for each in seen.alarming if each.verdict.broken},
        cause_since={c.cause: since_any(c.found.clauses, changes) for c in seen.causes},
        throughput=throughput(record),
        tried=tried(record),
        known={each.id: each for each in deviations.load()},
        tests=tested(load()),
        proofs=proofs(outcomes),
        matrix=matrix(outcomes),
        trend=trend,
        order=histories.order.value if histories else "",
    )


def _limit(seen: View) -> int:
    """How many cases of each clause are listed, so that all lists together stay bounded."""
    sizes = [clause.cases for clause in seen.clauses]
    limits = range(_OF_A_CLAUSE, 1, -1)
    return next((n for n in limits if sum(min(n, size) for size in sizes) <= _OF_A_PAGE), 1)


def _shares(record: Record) -> list[tuple[str, float]]:
    """The shares of the time, in percent of their sum."""
    names = ("imports", "training", "reference", "overhead")
    spent = {name: max(0.0, record.timing.get(name, 0.0)) for name in names}
    total = sum(spent.values())
    return [(name, 100 * share / total) for name, share in spent.items() if share]
