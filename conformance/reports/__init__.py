"""Reports of a record: thin writers over one model. Nothing here imports torch."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from conformance.records import Record, write_atomically

__all__ = ["FILES", "render", "write_all"]

FILES: Mapping[str, str] = MappingProxyType(
    {"junit": "junit.xml", "markdown": "report.md", "html": "report.html"}
)
"""The formats that are files, and the name each has in a folder of reports."""


def render(record: Record, form: str) -> str:
    """The record in one of the formats of `FILES`; raises `KeyError` for another."""
    from .html import html
    from .junit import junit
    from .markdown import markdown

    return {"junit": junit, "markdown": markdown, "html": html}[form](record)


def write_all(record: Record, folder: Path) -> None:
    """Write every report into ``folder``, which is made if need be; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for form, name in FILES.items():
        write_atomically(folder / name, render(record, form))
