"""What a run tells the CI service it runs under, by the means that service offers."""

import os
from collections.abc import Mapping
from pathlib import Path

from conformance.baselines import BaselineChanges
from conformance.records import Record

from .annotations import annotations
from .markdown import markdown
from .markdown_blocks import SUMMARY

_LEAST = 1024  # bytes below which a summary says nothing


def announce(
    record: Record,
    changes: BaselineChanges | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Under GitHub Actions: append to the step's summary, and return the lines to print.

    ``changes`` are those since the baseline. Empty elsewhere. Raises
    `OSError` when the summary cannot be written.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return ""
    if name := environment.get("GITHUB_STEP_SUMMARY"):
        _append(record, changes, Path(name))
    return annotations(record, changes)


def _append(record: Record, changes: BaselineChanges | None, summary: Path) -> None:
    """The limit is on the whole file, to which other commands of the step may have written."""
    taken = summary.stat().st_size if summary.exists() else 0
    room = SUMMARY - taken - 1
    if room < _LEAST:
        return
    with summary.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write("\n" * bool(taken) + markdown(record, room, changes))
