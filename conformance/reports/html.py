"""A record as one HTML file that needs nothing else: no script, no font, no network."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.records import SEVERITY, Record

from .model import clean, view
from .sentence import cost, headline, sentence


def html(record: Record) -> str:
    """The record as HTML5; whatever a record holds is escaped."""
    environment = Environment(
        loader=PackageLoader("conformance.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    text = environment.get_template("report.html.j2").render(
        view=view(record),
        record=record,
        headline=headline(record),
        sentence=sentence(record),
        cost=cost(record),
        parts=_parts(record),
        severity=SEVERITY,
    )
    return clean(text)


def _parts(record: Record) -> list[tuple[str, float]]:
    """The shares of the time, in percent of their sum."""
    names = ("imports", "training", "reference", "overhead")
    spent = {name: max(0.0, record.timing.get(name, 0.0)) for name in names}
    total = sum(spent.values())
    return [(name, 100 * share / total) for name, share in spent.items() if share]
