"""What is kept of a stack that was judged, so that it is not judged again for nothing.

A stack has a folder: ``stack.json`` says what was asked for and what became of it, and beside it
lies what ``run`` leaves, ``record.json`` above all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from conformance import __version__
from conformance.options import RunOptions
from conformance.records import Record, RecordError, Selection, read, write_atomically
from conformance.records.reading import parse, text_of
from conformance.redacting import redacted_in

STATE = "stack.json"


@dataclass(frozen=True, slots=True)
class State:
    """What became of one stack.

    ``reason`` says why there is no record: it cannot be installed, imported or judged. ``notes``
    are sentences a reader of its results should know; ``seconds`` is what it took in all.
    """

    index: int
    name: str
    specs: tuple[str, ...]
    reason: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``stack.json`` into ``folder``, which is made if need be; raises `OSError`."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / STATE, json.dumps(redacted_in(asdict(self)), indent=1) + "\n")


def state(folder: Path) -> State | None:
    """What ``stack.json`` in a folder says; `None` where there is none.

    Raises `RecordError` for a file that is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        return msgspec.convert(parse(text_of(path), str(path)), State)
    except msgspec.ValidationError as error:
        raise RecordError(f"{path} is damaged: {error}") from None


def kept(folder: Path, specs: Iterable[str], options: RunOptions) -> Record | None:
    """The record in a folder, if it is of these specs and of a run with these options."""
    try:
        was, record = state(folder), read(folder)
    except RecordError:
        return None
    if was is None or was.specs != redacted_in(tuple(specs)) or not is_of(record, options):
        return None
    return record


def is_of(record: Record, options: RunOptions) -> bool:
    """Whether a record is of a run with these options by this very suite: to its end, and without a
    planted fault. The seed counts, the number of workers does not.
    """
    told = (record.profile, record.trainer, record.seed, record.selection, record.suite_version)
    asked = (options.profile, options.trainer, options.seed)
    wanted = (*asked, Selection(options.chapters, options.clauses), __version__)
    return told == wanted and record.complete and not record.fault


def judged(folder: Path) -> Iterator[tuple[State, Path]]:
    """Every stack whose folder lies anywhere below ``folder``, in the order of their indexes."""
    states = [(state(path.parent), path.parent) for path in sorted(folder.rglob(STATE))]
    found = [(each, place) for each, place in states if each is not None]
    return iter(sorted(found, key=lambda pair: (pair[0].index, pair[0].name)))
