"""A record as one HTML file that needs nothing else: no script, no font, no network."""

import re
from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from conformance.controls.matrix import matrix, proofs
from conformance.controls.outcome import Outcome
from conformance.records import Record

from .model import clean, view
from .sentence import grounds, headline

_BACKTICKS = re.compile("`([^`]+)`")


def html(record: Record, planted: Iterable[Outcome] = ()) -> str:
    """The record, and what became of planted faults, as HTML5; whatever they hold is escaped."""
    outcomes = tuple(planted)
    environment = Environment(
        loader=PackageLoader("conformance.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["code"] = _code
    text = environment.get_template("report.html.j2").render(
        view=view(record),
        record=record,
        headline=headline(record),
        grounds=grounds(record),
        parts=_parts(record),
        proofs=proofs(outcomes),
        matrix=matrix(outcomes),
    )
    return clean(text)


def _code(text: str) -> Markup:
    """``text`` escaped, with what stands between backticks as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _parts(record: Record) -> list[tuple[str, float]]:
    """The shares of the time, in percent of their sum."""
    names = ("imports", "training", "reference", "overhead")
    spent = {name: max(0.0, record.timing.get(name, 0.0)) for name in names}
    total = sum(spent.values())
    return [(name, 100 * share / total) for name, share in spent.items() if share]
