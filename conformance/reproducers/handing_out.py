"""Which failing cases get a script, and what the record says of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from conformance.options import DEFAULT_TRAINER
from conformance.records import Case, ClauseResult, Record, causes, write
from conformance.scenarios import Scenario

from .rule import NoScript
from .rules import shown
from .workshop import work_off

FOLDER = "reproducers"
OF_A_CLAUSE = 3  # scripts at most; cases that fail alike share one
IN_ALL = 40
_MARK = "# /// script\n"
Tell = Callable[[str], None]
Told = dict[tuple[str, str], tuple[str, str]]


def hand_out(record: Record, folder: Path, tell: Tell = lambda _: None) -> Record:
    """Write and try scripts for what failed; returns, and writes, the record that names them.

    The smallest case of each kind of failure gets one: at most `OF_A_CLAUSE` of a clause and
    `IN_ALL` in all, in ``reproducers`` of the record's folder; of others it is said why. Scripts of
    an earlier run are removed. ``tell`` hears what goes on. Raises `OSError` when they cannot be
    written.
    """
    place = folder / FOLDER
    _clear(place)
    chosen = list(_chosen(record))
    if not chosen:
        return record
    told: Told = dict(_left(record, chosen))
    places = [(case.clause, case.id) for case, _ in chosen]
    jobs: list[tuple[Case, Path]] = []
    for case, name in chosen:
        why = _refusal(case, record.trainer)
        if why:
            told[case.clause, case.id] = ("", why)
        else:
            jobs.append((case, place / name))
    if jobs:
        place.mkdir(parents=True, exist_ok=True)
        tell(f"writing and trying {len(jobs)} stand-alone scripts …")
        for (case, _), (script, outcome) in zip(jobs, work_off(jobs, record.stack), strict=True):
            told[case.clause, case.id] = (f"{FOLDER}/{script}" if script else "", outcome)
            done = sum(place in told for place in places)
            tell(f"{done}/{len(chosen)} stand-alone scripts · {case.clause}: {outcome}")
    whole = replace(record, clauses=tuple(_told(clause, told) for clause in record.clauses))
    write(whole, folder)
    return whole


def _clear(place: Path) -> None:
    """Remove the scripts of an earlier run, and nothing else."""
    for path in place.glob("*.py"):
        with path.open(encoding="utf-8", errors="replace") as file:
            ours = file.readline() == _MARK
        if ours:
            path.unlink()


def _refusal(case: Case, trainer: str) -> str:
    """Why there can be no script; empty when there may."""
    if trainer != DEFAULT_TRAINER:
        return f"no stand-alone script: {trainer} is not transformers' own Trainer"
    try:
        shown(case)
    except NoScript as reason:
        return str(reason)
    return ""


def _chosen(record: Record) -> Iterator[tuple[Case, str]]:
    """The cases that get a script, and its name: first one of each clause, then further ones.

    Clauses of which a cause tells all there is wait, but for one of each cause.
    """
    kinds = {clause.id: _kinds(clause, record.trainer) for clause in record.clauses}
    waiting = _waiting(record, kinds)
    ranked = [
        (case, f"{name}{f'-{rank + 1}' if rank else ''}.py")
        for late in (False, True)
        for rank in range(OF_A_CLAUSE)
        for name, cases in kinds.items()
        for case in cases[rank : rank + 1]
        if (name in waiting) == late
    ]
    yield from ranked[:IN_ALL]


def _left(
    record: Record, chosen: list[tuple[Case, str]]
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """What is said of the smallest case of each further kind, which gets none."""
    taken = {(case.clause, case.id) for case, _ in chosen}
    for clause in record.clauses:
        for rank, case in enumerate(_kinds(clause, record.trainer)):
            if (case.clause, case.id) not in taken:
                enough = f"this clause has {OF_A_CLAUSE}, of smaller cases"
                again = f"this run has {IN_ALL}; `run --clause {clause.id}` writes it"
                why = enough if rank >= OF_A_CLAUSE else again
                yield (case.clause, case.id), ("", f"no stand-alone script: {why}")


def _waiting(record: Record, kinds: Mapping[str, list[Case]]) -> frozenset[str]:
    """The clauses that fail of nothing but causes which another clause has a script for."""
    own = {(case.clause, case.id) for cases in kinds.values() for case in cases}
    leading = set()
    for cause in causes(record):
        own -= cause.places
        shown = (case.clause for case in cause.cases if not _refusal(case, record.trainer))
        leading.add(next(shown, cause.clauses[0]))
    return frozenset(kinds) - {clause for clause, _ in own} - leading


def _kinds(clause: ClauseResult, trainer: str) -> list[Case]:
    """The smallest case of each kind of failure; one that can have a script goes first."""
    alike: dict[str, list[Case]] = {}
    for case in clause.cases:
        if case.verdict.broken:
            alike.setdefault(case.kind, []).append(case)

    def rank(case: Case) -> tuple[bool, int, int, str]:
        return (bool(_refusal(case, trainer)), *_size(case), case.id)

    return sorted((min(cases, key=rank) for cases in alike.values()), key=rank)


def _size(case: Case) -> tuple[int, int]:
    """How much a reader has to take in: optimizer steps, and what is not as by default."""
    try:
        steps = Scenario.from_json(case.scenario).steps
    except ValueError:  # of a record that something else has written
        steps = 0
    return steps, len(case.scenario)


def _told(clause: ClauseResult, told: Told) -> ClauseResult:
    def case(found: Case) -> Case:
        script, outcome = told.get((found.clause, found.id), ("", ""))
        return replace(found, script=script, reproduced=outcome) if outcome else found

    return replace(clause, cases=tuple(map(case, clause.cases)))
