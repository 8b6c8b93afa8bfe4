"""Many records in brief: each clause's verdict, and the spread of what was measured.

A record is not read into cases here, and not checked as `records.read` checks it: a thousand of
them would take minutes. What is read is checked as it is decoded.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .reading import RECORD, RecordError, bytes_of
from .record import SCHEMA
from .stack import Stack
from .verdict import Verdict

if TYPE_CHECKING:
    from .brief import BriefRecord

OTHERS = ("faults.json", "badge.json")
"""Files that reports leave beside a record and that are none."""

RUN = "run"
"""What timing and memory of the whole run are filed under, in place of a clause."""


SPEED = ("tokens_a_second_low", "tokens_a_second", "tokens_a_second_high")
"""What a case of throughput notes: the median of its windows, and the interval around it."""


class Spread(NamedTuple):
    """The numbers that one record's passing cases measured under one name.

    Of one case's estimate it is the interval's lower end, the estimate, and its upper end.
    """

    least: float
    median: float
    largest: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One record in brief.

    ``verdicts`` and ``levels`` are by clause, ``spreads`` by clause (or `RUN`) and name; ``speeds``
    are tokens a second by training, which ``spreads`` leave out.
    """

    place: str
    started: str
    stack: Stack
    profile: str
    trainer: str
    verdicts: Mapping[str, Verdict]
    levels: Mapping[str, str]
    spreads: Mapping[tuple[str, str], Spread]
    speeds: Mapping[str, Spread] = field(default_factory=dict)

    @property
    def machine(self) -> str:
        """The card that was trained on, or else the device."""
        return machine(self.stack)

    def count(self, verdict: Verdict) -> int:
        """How many clauses got this verdict."""
        return sum(given is verdict for given in self.verdicts.values())


@dataclass(frozen=True, slots=True)
class History:
    """What a folder holds: the records that can be used, and why each other one cannot."""

    snapshots: tuple[Snapshot, ...]
    skipped: Mapping[str, str]


def holds_history(path: Path) -> bool:
    """Whether ``path`` is a folder of records rather than the folder of one run."""
    return path.is_dir() and not (path / RECORD).exists() and next(_files(path), None) is not None


def read_history(folder: Path) -> History:
    """Every record in ``folder``, at any depth; a file that is none is skipped, and named."""
    found, skipped = [], {}
    for path in sorted(_files(folder)):
        place = str(path.relative_to(folder))
        try:
            found.append(snapshot(path, place))
        except RecordError as error:
            skipped[place] = " ".join(str(error).split())
    return History(tuple(found), skipped)


def snapshot(path: Path, place: str) -> Snapshot:
    """A complete record's brief; raises `RecordError` saying why there is none."""
    from .brief import decode

    if path.exists() and not path.is_file():
        raise RecordError("is no file")  # to open a pipe is to wait for who writes to it
    try:
        data = bytes_of(path)
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}") from error
    record = decode(data)
    if record.schema != SCHEMA:
        raise RecordError(f"is of schema {record.schema}, this program reads schema {SCHEMA}")
    if not record.complete:
        raise RecordError("the run was broken off")
    if record.fault:
        raise RecordError(f"the fault {record.fault} was planted")
    return _brief(record, place)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.json") if path.name not in OTHERS)


def _brief(record: "BriefRecord", place: str) -> Snapshot:
    stack = record.stack
    return Snapshot(
        place,
        record.started,
        Stack(stack.python, stack.platform, stack.device, stack.packages, {}, stack.hardware),
        record.profile,
        record.trainer,
        {clause.id: clause.verdict for clause in record.clauses},
        {clause.id: clause.level for clause in record.clauses},
        dict(_spreads(record)),
        dict(_speeds(record)),
    )


def machine(stack: Stack) -> str:
    """What figures of two records must have in common to be set beside each other."""
    return stack.hardware.get("card", stack.device)


def training_of(case: str) -> str:
    """The training that a case of this id measured: what stands in its brackets."""
    return case.partition("[")[2].rstrip("]")


def _speeds(record: "BriefRecord") -> Iterator[tuple[str, Spread]]:
    for clause in record.clauses:
        for case in clause.cases:
            numbers = [case.evidence.get(name) for name in SPEED]
            given = [number for number in numbers if isinstance(number, float)]
            if case.verdict is Verdict.PASS and len(given) == len(SPEED):
                yield training_of(case.id), Spread(*given)


def _spreads(record: "BriefRecord") -> Iterator[tuple[tuple[str, str], Spread]]:
    for name, value in record.timing.items():
        yield (RUN, name), Spread(value, value, value)
    for clause in record.clauses:
        measured: dict[str, list[float]] = defaultdict(list)
        for case in clause.cases:
            if case.verdict is Verdict.PASS:
                for name, found in case.evidence.items():
                    if isinstance(found, float) and name not in SPEED:
                        measured[name].append(found)
        for name, values in measured.items():
            values.sort()
            yield (clause.id, name), Spread(values[0], values[len(values) // 2], values[-1])
