"""The committed baselines: what a run is compared with, and how one is written anew.

A baseline is a record reduced to what a comparison needs, as text of one line a case, so that two
of them can be compared with `diff` as well. There is one for each Trainer class that has been
judged for it, and for each kind of card it has been judged on, in ``reports/baselines/`` of a clone
and inside an installed package.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from conformance import paths
from conformance.records import (
    Case,
    ClauseChange,
    ClauseResult,
    Comparison,
    Record,
    RecordError,
    Selection,
    Stack,
    Verdict,
    compare,
    worst,
    write_atomically,
)
from conformance.records import read as read_record
from conformance.records.comparing import better
from conformance.records.reading import parse, text_of

FORMAT = 1
_KNOWN = " known as "  # between a case's verdict and the deviation that it showed
_NO_SUSPECTS = ("pytest", "hypothesis", "device")


@dataclass(frozen=True, slots=True)
class BaselineChanges:
    """What a run found otherwise than its baseline, over the cases that both hold.

    ``moved`` maps packages (and ``python``, ``device``) to their versions then and now; ``lost``
    are clauses of which nothing was run any more; ``compared`` is the number of cases; ``held`` is
    what the cases that got worse came to, at worst, by regressed clause.
    """

    path: Path
    baseline: Record
    compared: int
    moved: Mapping[str, tuple[str, str]]
    regressed: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    held: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """The day on which the baseline was judged."""
        return self.baseline.started[:10]

    @property
    def suspects(self) -> tuple[str, ...]:
        """The packages that moved and that a training runs through, as "name then → now".

        What is there on one side alone is none: a clause that needs it is not run on the other.
        """
        both = (name for name, pair in self.moved.items() if all(pair))
        return self.moves(name for name in both if name not in _NO_SUSPECTS)

    def moves(self, names: Iterable[str]) -> tuple[str, ...]:
        """These of what moved, as "name then → now"."""
        pairs = {name: self.moved[name] for name in names}
        return tuple(f"{n} {then or 'none'} → {now or 'none'}" for n, (then, now) in pairs.items())


def against(record: Record, path: Path | None = None) -> BaselineChanges | None:
    """What changed since the baseline at ``path``, or that of the record's Trainer on its card.

    A card that has none is set beside the CPU's. `None` where there is no such baseline, and for a
    run that was made to fail on purpose. Raises `RecordError` for one that cannot be read.
    """
    chosen = path or _held_for(record.trainer, card_of(record))
    if record.fault or record.deviations_ignored or (path is None and not chosen.is_file()):
        return None
    return changes(read(chosen), record, chosen)


def check(trainer: str, path: Path | None = None, card: str = "") -> None:
    """Raise `RecordError` where `against` would, before anything costly starts."""
    chosen = path or _held_for(trainer, card)
    if chosen.is_file():
        read(chosen)


def changes(baseline: Record, record: Record, path: Path) -> BaselineChanges:
    """The same for a baseline that has been read."""
    before, after = _shared(baseline, record), _shared(record, baseline)
    comparison = compare(before, after)
    return BaselineChanges(
        path=path,
        baseline=baseline,
        compared=sum(len(clause.cases) for clause in after.clauses),
        moved={name: pair for name, pair in comparison.stack.items() if name != "platform"},
        held={each.id: worst(_held(each)) for each in comparison.clauses if _held(each)},
        **_sorted_out(comparison),
    )


def _held(clause: ClauseChange) -> list[Verdict]:
    """What the cases of a clause that got worse were before."""
    return [case.before for case in clause.cases if case.worse and case.before]


def _sorted_out(comparison: Comparison) -> dict[str, tuple[str, ...]]:
    """The clauses that regressed, got fixed, or were lost; a regressed one is nothing else."""
    found: dict[str, list[str]] = {"regressed": [], "fixed": [], "lost": []}
    for clause in comparison.clauses:
        worse = [case.after for case in clause.cases if case.worse]
        if any(verdict is not Verdict.NOT_RUN for verdict in worse):
            found["regressed"].append(clause.id)
        elif clause.after is Verdict.NOT_RUN and worse:
            found["lost"].append(clause.id)
        elif better(clause.before, clause.after) and clause.after is not Verdict.DEVIATION:
            found["fixed"].append(clause.id)
    return {name: tuple(ids) for name, ids in found.items()}


def _shared(record: Record, other: Record) -> Record:
    """The record with the cases that the other one holds as well, and no other clauses."""
    known = {clause.id: {case.id for case in clause.cases} for clause in other.clauses}
    clauses = []
    for clause in record.clauses:
        cases = tuple(case for case in clause.cases if case.id in known.get(clause.id, ()))
        if cases:
            verdict = worst(case.verdict for case in cases)
            clauses.append(replace(clause, cases=cases, verdict=verdict))
    return replace(record, clauses=tuple(clauses))


# ---- on disk --------------------------------------------------------------------------------


def place(trainer: str, card: str = "") -> Path:
    """Where the baseline of a Trainer class, on such a card, lies, whether or not there is one."""
    name = f"{trainer} {card}".rstrip()
    return paths.baselines() / f"{re.sub(r'[^A-Za-z0-9._]', '-', name)}.json"


def _held_for(trainer: str, card: str) -> Path:
    """The baseline of this card where there is one, else the CPU's."""
    own = place(trainer, card)
    return own if own.is_file() else place(trainer)


def card_of(record: Record) -> str:
    """The card that was trained on; empty for a CPU."""
    return record.stack.hardware.get("card", "")


def update(record: Record, path: Path | None = None) -> Path:
    """Write the record as the baseline at ``path``, or that of its Trainer on its card.

    Returns where it lies.
    """
    chosen = path or place(record.trainer, card_of(record))
    chosen.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(chosen, text(record))
    return chosen


def text(record: Record) -> str:
    """The record as a baseline: sorted, one line a case, without what differs from run to run."""
    data = {
        "format": FORMAT,
        "suite_version": record.suite_version,
        "started": record.started,
        "stack": {**record.stack.to_json(), "platform": ""},  # which is about one machine
        "profile": record.profile,
        "seed": record.seed,
        "trainer": record.trainer,
        "clauses": {
            clause.id: {
                "chapter": clause.chapter,
                "level": clause.level,
                "verdict": str(clause.verdict),
                **({"reason": clause.reason} if clause.reason else {}),
                "cases": {case.id: _said(case) for case in sorted(clause.cases, key=_id)},
            }
            for clause in record.clauses
        },
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


class _Clause(msgspec.Struct, forbid_unknown_fields=True):
    """What a baseline keeps of a clause; see `text`."""

    chapter: str
    level: Literal["MUST", "SHOULD", "OBSERVED"]
    verdict: Verdict
    cases: dict[str, str]
    reason: str = ""


class _Baseline(msgspec.Struct, forbid_unknown_fields=True):
    """The same of a run."""

    format: int
    suite_version: str
    started: str
    stack: Stack
    profile: str
    seed: int
    trainer: str
    clauses: dict[str, _Clause]


def read_either(path: Path) -> Record:
    """The record at ``path``, or what a baseline there holds of one; raises `RecordError`."""
    if path.is_file():
        data = parse(text_of(path), str(path))
        if isinstance(data, dict) and "format" in data and "schema" not in data:
            return read(path)
    return read_record(path)


def read(path: Path) -> Record:
    """The record that a baseline was made of, as far as it says; raises `RecordError`."""
    data = parse(text_of(path), str(path))
    if isinstance(data, dict) and data.get("format", FORMAT) != FORMAT:
        raise RecordError(f"{path} is a baseline of format {data['format']}, not {FORMAT}")
    try:
        kept = msgspec.convert(data, _Baseline)
        clauses = tuple(_clauses(kept.clauses))
    except ValueError as error:
        raise RecordError(f"{path} is not a baseline: {error}") from error
    return Record(
        suite_version=kept.suite_version,
        started=kept.started,
        stack=kept.stack,
        profile=kept.profile,
        seed=kept.seed,
        trainer=kept.trainer,
        selection=Selection(),
        clauses=clauses,
        complete=True,
    )


def _clauses(held: Mapping[str, _Clause]) -> Iterator[ClauseResult]:
    for name, clause in held.items():
        yield ClauseResult(
            id=name,
            chapter=clause.chapter,
            level=clause.level,
            verdict=clause.verdict,
            reason=clause.reason,
            cases=tuple(_case(name, *case) for case in clause.cases.items()),
        )


def _case(clause: str, name: str, said: str) -> Case:
    verdict, _, deviation = said.partition(_KNOWN)
    return Case(name, clause, {}, Verdict(verdict), deviation=deviation)


def _said(case: Case) -> str:
    return f"{case.verdict}{_KNOWN}{case.deviation}" if case.deviation else str(case.verdict)


def _id(case: Case) -> str:
    return case.id
