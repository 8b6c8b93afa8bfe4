"""Rewriting a baseline: what is refused unless it is asked for twice, and what is told of it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conformance.baselines import card_of, place, read, update
from conformance.options import RunOptions, UsageError
from conformance.records import Record
from conformance.scenarios import PROFILES

_ALL_THE_SAME = "--force-baseline does it all the same"
_SHOWN = 5


def check(options: RunOptions, card: str) -> None:
    """Raise `UsageError` where the baseline to be rewritten is of a broader profile than the run.

    Raises `RecordError` where it cannot be read.
    """
    chosen = options.baseline or place(options.trainer, card)
    if not options.update_baseline or options.force_baseline or not chosen.is_file():
        return
    broader, order = read(chosen).profile, list(PROFILES)
    if broader in order and order.index(options.profile) < order.index(broader):
        raise UsageError(
            f"the baseline is of profile {broader}, broader than {options.profile}: {_ALL_THE_SAME}"
        )


def rewrite(record: Record, path: Path | None, *, force: bool) -> Iterator[str]:
    """Make the record the baseline, unless it is red; what came of it, in lines."""
    chosen = path or place(record.trainer, card_of(record))
    if record.exit_status and not force:
        yield f"baseline not rewritten, as the run is not green: {_ALL_THE_SAME}"
        return
    before = read(chosen) if chosen.is_file() else None
    update(record, path)
    yield f"baseline rewritten: {chosen}"
    if before:
        yield from differences(before, record)


def differences(before: Record, after: Record) -> Iterator[str]:
    """Which cases and verdicts a new baseline has that the old one has not, and the other way."""
    old, new = _verdicts(before), _verdicts(after)
    for what, places in (("lost", old.keys() - new.keys()), ("gained", new.keys() - old.keys())):
        by_clause = Counter(clause for clause, _ in places)
        if by_clause:
            yield f"{what}: {_counted(by_clause)}"
    both = old.keys() & new.keys()
    turned = Counter(f"{old[each]} → {new[each]}" for each in both if old[each] != new[each])
    if turned:
        yield f"verdicts that are others: {_counted(turned)}"
    if old == new:
        yield "the same cases and verdicts as before"


def _verdicts(record: Record) -> dict[tuple[str, str], str]:
    return {
        (clause.id, case.id): str(case.verdict)
        for clause in record.clauses
        for case in clause.cases
    }


def _counted(found: "Counter[str]") -> str:
    """How many in all, and of the commonest how many each."""
    shown = ", ".join(f"{name} {number}" for name, number in found.most_common(_SHOWN))
    more = f", … {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{found.total()} case{'s' * (found.total() != 1)} ({shown}{more})"
