"""Going on with a run that was broken off: only with the very same one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.options import UsageError
from conformance.records import BrokenOff, Record, Selection, Stack, left_in

_SAME = (  # what a run that is resumed must have in common with the one that was broken off
    *("suite_version", "stack", "profile", "selection", "seed", "trainer", "fault"),
    *("strict", "deviations_ignored"),
)


def resumed(header: Record, folder: Path) -> BrokenOff:
    """The header that goes on with the run left in a folder, and the cases which that has already;
    its whole record where all are judged.

    Raises `UsageError` when that run is another than the one that ``header`` begins, `RecordError`
    when there is none.
    """
    before, cases = left_in(folder)
    for name in _SAME:
        old, new = getattr(before, name), getattr(header, name)
        if old != new:
            raise UsageError(
                f"the run in {folder} cannot be resumed: its {name.replace('_', ' ')} "
                f"{_differing(old, new)}"
            )
    when = (*before.resumed, header.started)
    if before.complete:
        return BrokenOff(before, cases)
    return BrokenOff(replace(header, started=before.started, resumed=when), cases)


def _differing(old: Any, new: Any) -> str:
    """In which way two values of a header differ, in few words."""
    if not isinstance(old, Stack):
        return f"was {_told(old)}, this one's is {_told(new)}"
    one, two = old.to_json(), new.to_json()
    parts = ("packages", "others", "hardware")
    flat = [
        {**{n: v for part in parts for n, v in each.pop(part, {}).items()}, **each}
        for each in (one, two)
    ]
    names = [
        name for name in sorted({*flat[0], *flat[1]}) if flat[0].get(name) != flat[1].get(name)
    ]
    pairs = (f"{name} {flat[0].get(name, 'none')} → {flat[1].get(name, 'none')}" for name in names)
    return f"has changed since: {', '.join(pairs)}"[:300]


def _told(value: Any) -> str:
    if isinstance(value, Selection):
        return " ".join((*value.chapters, *value.clauses)) or "everything"
    return str(value) or "none"
