"""Markdown in blocks that are left out whole when a text would grow too long.

Without a library: tabulate, the well-kept one for tables, escapes nothing in its cells
(https://github.com/astanin/python-tabulate/issues/241), and none keeps to a limit in bytes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .groups import clean
from .summary import counted

COMMENT = 65_536
"""GitHub's limit on a comment; GitLab's, a million characters, is larger."""

SUMMARY = 1024 * 1024
"""GitHub's limit on a step's summary, in bytes."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_FIRST = re.compile(r"^([-+=]|\d+(?=[.)]))")
_MENTION = re.compile(r"@(?=\w)")
_MOST_LINES = 60
_WIDEST = 1000


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together: the first ``head`` only as a whole, each further one alone."""

    head: tuple[str, ...]
    rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((*self.head, *self.rows))


def escape(text: str) -> str:
    """``text`` on one line, such that Markdown shows it as it is and nobody is mentioned by it."""
    line = _SPECIAL.sub(r"\\\1", " ".join(clean(text).split()))
    return _MENTION.sub("@<!-- -->", _FIRST.sub(_not_a_list, line))


def _not_a_list(found: "re.Match[str]") -> str:
    """What begins a list or underlines a heading, so that it does not."""
    text = found[0]
    return f"&#{ord(text[0])};{text[1:]}"


def fenced(text: str) -> str:
    """``text`` as code, as it is but for what is no text."""
    text = clean(text)
    if not text:
        return ""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def shortened(text: str) -> str:
    """``text`` without the middle of very many lines and the ends of very long ones."""
    lines = [f"{line[:_WIDEST]}…" if len(line) > _WIDEST else line for line in text.splitlines()]
    if (more := len(lines) - _MOST_LINES) > 0:
        half = _MOST_LINES // 2
        lines[half:-half] = [f"… {more} lines left out …"]
    return "\n".join(lines)


def paragraph(*parts: str) -> Block:
    """Paragraphs that are shown together; empty ones are left out."""
    return Block(tuple("\n\n".join(filter(None, parts)).split("\n")))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Block:
    """A table of cells that are Markdown already; all columns but the first align right."""
    rule = ["---", *("--:" for _ in header[1:])]
    return Block((_row(header), _row(rule)), tuple(map(_row, rows)))


def listed(title: str, lines: Iterable[str]) -> Block:
    """A heading and a list below it; nothing without lines."""
    rows = tuple(f"- {line}" for line in lines)
    return Block((f"## {title}", ""), rows) if rows else Block(())


def fit(blocks: Iterable[Block], limit: int, instead: str) -> str:
    """The blocks one below the other in no more than ``limit`` bytes of UTF-8.

    What does not fit is left out from the end, by rows and by whole blocks, and a last line says
    how much; ``instead`` says where to find it.
    """
    given = [block for block in blocks if block.head]
    whole = _joined(given)
    if _size(whole) <= limit:
        return whole
    kept: list[Block] = []
    room = limit - _size(_left_out(10**9, 10**9, instead)) - 4
    cut = 0
    for block in given:
        part = _shortened(block, room)
        if part is None:
            break
        kept.append(part)
        room -= _size(str(part)) + 2
        if len(part.rows) < len(block.rows):
            cut = len(block.rows) - len(part.rows)
            break
    return _joined([*kept, paragraph(_left_out(len(given) - len(kept), cut, instead))])


def _shortened(block: Block, room: int) -> Block | None:
    """The block with as many rows as fit into ``room`` bytes; `None` if not even one does."""
    room -= _size("\n".join(block.head))
    rows = []
    for row in block.rows:
        room -= _size(row) + 1
        if room < 0:
            break
        rows.append(row)
    if room < 0 and not rows:
        return None
    return Block(block.head, tuple(rows))


def _left_out(blocks: int, rows: int, instead: str) -> str:
    parts = [
        f"{counted(rows, 'line')} above" * (rows > 0),
        f"{counted(blocks, 'further section')}" * (blocks > 0),
    ]
    return f"**Shortened:** {' and '.join(filter(None, parts))} are left out; {instead}"


def _joined(blocks: Iterable[Block]) -> str:
    return "\n\n".join(map(str, blocks)) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))
