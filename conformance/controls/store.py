"""``faults.json``: what became of each fault, for reports and for the next run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import __version__
from conformance.records import RecordError, stack, write_atomically
from conformance.records.reading import parse, text_of
from conformance.redacting import redacted

from .matrix import Matrix, matrix
from .outcome import Kind, Outcome

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

FAULTS = "faults.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An outcome with the fingerprints of what decided it: of the fault alone, of its matrix."""

    outcome: Outcome
    alone: str
    matrix: str = ""


@dataclass
class Memory:
    """The outcomes found so far, by fault, and the packages they were last found with."""

    entries: dict[str, Entry] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)

    def recall(self, fault: str, alone: str, matrix: str = "") -> Outcome | None:
        """The outcome of a fault that was caught, where the fingerprints are still the same.

        An empty ``matrix`` asks for none.
        """
        entry = self.entries.get(fault)
        if entry is None or not alone or entry.alone != alone:
            return None
        if matrix and entry.matrix != matrix:
            return None
        return entry.outcome if entry.outcome.kind is Kind.CAUGHT else None

    def add(self, entry: Entry) -> None:
        """Keep an outcome in place of an earlier one of the same fault."""
        self.entries[entry.outcome.fault] = entry

    def forget(self, fault: str, alone: str, matrix: str) -> None:
        """Drop what these fingerprints of a fault show to be about something else by now."""
        entry = self.entries.get(fault)
        if entry is None:
            return
        if not alone or entry.alone != alone:
            del self.entries[fault]
        elif entry.matrix != matrix:
            outcome = replace(entry.outcome, seen=None, red=None, cut="")
            self.entries[fault] = Entry(outcome, alone)

    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes, in the order they were first added."""
        return tuple(entry.outcome for entry in self.entries.values())


def write(memory: Memory, folder: Path) -> None:
    """Write ``faults.json`` into ``folder``, which is made if need be; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: Matrix = matrix(memory.outcomes())
    data = {
        "schema": SCHEMA,
        "suite_version": __version__,
        "stack": stack().to_json(),
        "faults": [
            {**_told(entry.outcome), "alone": entry.alone, "matrix": entry.matrix}
            for entry in memory.entries.values()
        ],
        "unproven": list(seen.unproven),
        "shadowed": {clause: list(others) for clause, others in seen.shadowed.items()},
    }
    write_atomically(folder / FAULTS, json.dumps(data, indent=1, allow_nan=False) + "\n")


def _told(outcome: Outcome) -> dict[str, Any]:
    return replace(outcome, message=redacted(outcome.message)).to_json()


def read(folder: Path, known: Iterable[str]) -> Memory:
    """What ``faults.json`` in ``folder`` holds of the faults in ``known``; nothing without a file.

    Raises `RecordError` for a file that is damaged or of another schema.
    """
    path = folder / FAULTS
    if not path.exists():
        return Memory()
    data = parse(text_of(path), str(path))
    if problem := next(_validator().iter_errors(data), None):
        raise RecordError(f"{path}: at {problem.json_path}: {problem.message[:200]}")
    entries = map(_entry, data["faults"])
    wanted = set(known)
    kept = {entry.outcome.fault: entry for entry in entries if entry.outcome.fault in wanted}
    return Memory(kept, data["stack"]["packages"])


def _entry(data: Mapping[str, Any]) -> Entry:
    fields = {name: value for name, value in data.items() if name not in ("alone", "matrix")}
    return Entry(Outcome.from_json(fields), data["alone"], data["matrix"])


@cache
def _validator() -> "Validator":
    from jsonschema import Draft202012Validator

    text = resources.files(__package__).joinpath("schema.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))
