"""Writing a record so that a run which is broken off leaves what it had found.

While a run goes on, ``record.json`` says that it is not complete, and ``record.jsonl`` holds a
header line (a record without clauses) and one line a case. A finished run has ``record.json``
alone.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from .reading import JOURNAL, RECORD, RecordError, check_case, check_record, parse, read, text_of
from .record import Case, Record


class BrokenOff(NamedTuple):
    """What a run had found when it was broken off; ``header`` is a record without clauses."""

    header: Record
    cases: tuple[Case, ...]


class Journal:
    """The two files of one run in ``folder``, which is made if need be.

    `open` first, then `add` each case, then `close`. Raises `OSError` when a file cannot be
    written, and `RuntimeError` for a case that is added before `open` or after `close`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines: IO[str] | None = None

    def open(self, header: Record, earlier: Iterable[Case] = ()) -> None:
        """Begin: replaces what an earlier run left in the folder, but for its ``earlier`` cases.

        Whenever this is broken off, what lies there is the earlier run's or this one's, and not a
        mixture; ``earlier`` cases are never lost.
        """
        journal, held = self.folder / JOURNAL, [_line(case.to_json()) for case in earlier]
        if not held:
            journal.unlink(missing_ok=True)
            write(header, self.folder)
        write_atomically(journal, "".join([_line(header.to_json()), *held]))
        write(header, self.folder)
        self._lines = journal.open("a", encoding="utf-8")

    def add(self, case: Case) -> None:
        """Append one case; it outlives the process from then on."""
        self._write(case.to_json())

    def close(self, record: Record) -> None:
        """End: writes the whole record, which must be complete, and removes the journal."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        write(record, self.folder)
        (self.folder / JOURNAL).unlink(missing_ok=True)

    def _write(self, data: dict[str, Any]) -> None:
        if self._lines is None:
            raise RuntimeError("the journal is not open")
        self._lines.write(_line(data))
        self._lines.flush()


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False) + "\n"


def left_in(folder: Path) -> BrokenOff:
    """What the last run in ``folder`` had found, whether it was broken off or came to its end.

    Raises `RecordError` when there is none, or it broke off before its journal began.
    """
    if (folder / JOURNAL).exists():
        return recover(folder)
    if not (folder / RECORD).exists():
        raise RecordError(f"there is no run to resume in {folder}")
    whole = read(folder)
    return BrokenOff(whole, tuple(case for clause in whole.clauses for case in clause.cases))


def recover(folder: Path) -> BrokenOff:
    """Read the journal of a run that was broken off; a last line cut short is left out.

    Raises `RecordError` when there is no journal, or it is damaged elsewhere than at its end.
    """
    path = folder / JOURNAL
    *whole, rest = text_of(path).split("\n")
    places = [f"{path}, line {number}" for number in range(1, len(whole) + 1)]
    parsed = [parse(line, place) for line, place in zip(whole, places, strict=True)]
    if rest:
        with suppress(RecordError):
            parsed.append(parse(rest, str(path)))
    if not parsed:
        raise RecordError(f"{path} holds no whole line")
    cases = zip(parsed[1:], [*places[1:], str(path)], strict=False)
    return BrokenOff(
        check_record(parsed[0], str(path)),
        tuple(check_case(data, place) for data, place in cases),
    )


def write(record: Record, folder: Path) -> None:
    """Write ``record.json`` into ``folder``, which is made if need be; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record.to_json(), indent=1, allow_nan=False)
    write_atomically(folder / RECORD, text + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content such that a reader, or a crash, meets the old or the new whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
