"""Reports of a record: thin writers over one model. Nothing here imports torch.

- one record: `model` and `groups` say what is shown; `terminal`, `markdown`, `html`, `junit`,
  `annotations`, `badge` write it, `ci` tells the service that it runs under
- two records: `changes`; `comparison` for a terminal, `comparison_pages`, `upgrade`
- many records: `trend`; `trend_terminal`, `trend_pages`, `sparklines`, `throughput`; stacks beside
  each other: `matrix`; the release that brought it: `bisect`
- no record: `contract`, `explaining` (one clause), `faults`, `steady`
- what they share: `summary` (the one sentence), `since_baseline`, `tried` (what was hurt on
  purpose), `markdown_blocks`, `pages`
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from conformance import paths
from conformance.records import Record, RecordError, write_atomically

if TYPE_CHECKING:
    from conformance.baselines import BaselineChanges
    from conformance.controls.outcome import Outcome

    from .trend import Histories

__all__ = ["FILES", "render", "write_all"]

FILES: Mapping[str, str] = MappingProxyType(
    {
        "junit": "junit.xml",
        "markdown": "report.md",
        "html": "report.html",
        "badge": "badge.json",
    }
)
"""The formats that are files, and the name each has in a folder of reports."""


def render(
    record: Record,
    form: str,
    folder: Path | None = None,
    histories: "Histories | None" = None,
    changes: "BaselineChanges | None" = None,
) -> str:
    """The record in one of the formats of `FILES`, or as ``annotations``; `KeyError` for another.

    HTML also shows what ``faults.json`` in ``folder``, or the committed one, says of planted
    faults, and what ``histories`` say of each clause; it, Markdown and annotations name what moved
    since the baseline, which ``changes`` hold.
    """
    from .annotations import annotations
    from .badge import badge
    from .html import html
    from .junit import junit
    from .markdown import markdown

    if form == "html":
        return html(record, _planted(record, folder), histories, changes)
    if form == "markdown":
        return markdown(record, changes=changes)
    if form == "annotations":
        return annotations(record, changes)
    writers: Mapping[str, Callable[[Record], str]] = {"junit": junit, "badge": badge}
    return writers[form](record)


def write_all(
    record: Record,
    folder: Path,
    changes: "BaselineChanges | None" = None,
    histories: "Histories | None" = None,
) -> None:
    """Write every report into ``folder``, which is made if need be; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for form, name in FILES.items():
        write_atomically(folder / name, render(record, form, folder, histories, changes))


def _planted(record: Record, folder: Path | None) -> "tuple[Outcome, ...]":
    """What became of faults planted into the record's packages: by the folder, or what is committed
    beside the baselines; a damaged file says nothing.
    """
    from conformance.controls import store
    from conformance.faults import faults

    for place in (folder, paths.baselines()):
        with suppress(RecordError):
            memory = store.Memory() if place is None else store.read(place, faults())
            if memory.entries and memory.packages == record.stack.packages:
                return memory.outcomes()
    return ()
