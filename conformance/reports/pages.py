"""Pages that are one HTML file and need nothing else: no font, no network, one script of our own.

Whatever a record holds is escaped; beyond that the page's own policy lets no other script run.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cache
from hashlib import sha256
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from .groups import clean
from .trend import since

_BACKTICKS = re.compile("`([^`]+)`")
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:)]")


def page(template: str, **shown: object) -> str:
    """The template, one of the folder's ``*.html.j2``, with what it shows, as HTML5."""
    script = _text("page.js")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return clean(
        _environment()
        .get_template(template)
        .render(
            style=Markup(_text("report.css")),  # noqa: S704
            script=Markup(script),  # noqa: S704
            script_hash=f"sha256-{digest}",
            **shown,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("conformance.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    filters = {"code": _code, "linked": _linked, "releases": _releases, "moment": _moment}
    environment.filters.update(**filters, since=since)
    environment.tests["weblink"] = _is_weblink
    return environment


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text("utf-8")


def _code(text: str) -> Markup:
    """``text`` escaped, with what stands between backticks as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _linked(text: str) -> Markup:
    """``text`` escaped, with its web addresses as links."""
    parts, at = [], 0
    for found in _ADDRESS.finditer(text):
        parts += [_code(text[at : found.start()]), _link(found[0])]
        at = found.end()
    return Markup("").join([*parts, _code(text[at:])])


def _link(address: str) -> Markup:
    return Markup('<a href="{0}">{0}</a>').format(address)


def _releases(versions: Mapping[str, str]) -> str:
    """The versions of a deviation, to stand after its cases."""
    return "".join(f", {name} {versions[name]}" for name in versions)


def _moment(started: str) -> str:
    """When a run started, to the minute; what is no time stays as it is."""
    try:
        read = datetime.fromisoformat(started)
    except ValueError:
        return started
    zone = "" if read.tzinfo is None else " UTC"
    return f"{read.astimezone(timezone.utc) if zone else read:%Y-%m-%d %H:%M}{zone}"


def _is_weblink(address: str) -> bool:
    """Whether an address may be a link: a script's address may not."""
    return _ADDRESS.fullmatch(address) is not None
