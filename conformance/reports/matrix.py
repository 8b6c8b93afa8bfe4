"""Many stacks on one page: stack by chapter, stack by clause. Nothing here imports torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.environments.stack_folder import State, judged
from conformance.records import (
    RECORD,
    SEVERITY,
    ClauseResult,
    Record,
    RecordError,
    Verdict,
    read,
    worst,
    write_atomically,
)

from .groups import clean
from .markdown import escape
from .pages import page
from .summary import counted, headline

PAGES = ("matrix.html", "matrix.md")
_PLURAL = {"conforms": "conform", "does not conform": "do not conform"}


@dataclass(frozen=True)
class Column:
    """One stack: its record, or the reason why there is none."""

    state: State
    record: Record | None
    reason: str = ""

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.state.name

    @property
    def about(self) -> str:
        """What was asked for, and what moved beside it."""
        return clean(". ".join((" ".join(self.state.specs), *self.state.notes)))

    @property
    def headline(self) -> str:
        """The verdict on the stack, in a few words."""
        return headline(self.record) if self.record else "not judged"

    @property
    def status(self) -> int:
        """The exit status a run of it had; a stack that cannot be judged is unexpected."""
        return self.record.exit_status if self.record else 1

    @cached_property
    def clauses(self) -> dict[str, ClauseResult]:
        """Each clause of the record by its id."""
        return {clause.id: clause for clause in self.record.clauses} if self.record else {}

    def clause(self, identifier: str) -> Verdict | None:
        """A clause's verdict; `None` when there is none."""
        found = self.clauses.get(identifier)
        return None if found is None else found.verdict

    def why(self, identifier: str) -> str:
        """The first line of what the clause's worst case says, or its reason."""
        found = self.clauses.get(identifier)
        if found is None:
            return ""
        said = (case.message for case in found.cases if case.verdict is found.verdict)
        lines = (found.reason or next(said, "")).splitlines()
        return clean(lines[0]) if lines else ""

    def chapter(self, name: str) -> "Cell":
        """What the clauses of a chapter came to."""
        verdicts = [each.verdict for each in self.clauses.values() if each.chapter == name]
        return Cell(tuple((each, verdicts.count(each)) for each in SEVERITY if each in verdicts))


@dataclass(frozen=True)
class Cell:
    """How many clauses of a chapter got each verdict, worst first."""

    counts: tuple[tuple[Verdict, int], ...]

    @property
    def worst(self) -> Verdict | None:
        """The worst of them; `None` when there are none."""
        return worst(verdict for verdict, _ in self.counts) if self.counts else None

    def __str__(self) -> str:
        return ", ".join(f"{count} {verdict}" for verdict, count in self.counts)


@dataclass(frozen=True)
class Matrix:
    """The stacks in the order of their file, and the clauses that any of them was judged by."""

    columns: tuple[Column, ...]

    @cached_property
    def chapters(self) -> dict[str, tuple[str, ...]]:
        """Each chapter to the ids of its clauses."""
        found: dict[str, dict[str, None]] = {}
        for column in self.columns:
            for clause in column.clauses.values():
                found.setdefault(clause.chapter, {})[clause.id] = None
        return {name: tuple(ids) for name, ids in found.items()}

    @property
    def suite(self) -> str:
        """What they were all judged by."""
        record = next(column.record for column in self.columns if column.record)
        return f"suite {record.suite_version}, profile {record.profile}, {record.trainer}"

    @property
    def judged(self) -> bool:
        """Whether any stack was."""
        return any(column.record for column in self.columns)

    @property
    def sentence(self) -> str:
        """How many stacks conform."""
        words = [column.headline for column in self.columns]
        counts = {word: words.count(word) for word in words}
        found = ", ".join(
            f"{count} {_PLURAL.get(word, word) if count > 1 else word}"
            for word, count in counts.items()
        )
        return f"{counted(len(words), 'stack')}: {found}"

    @property
    def exit_status(self) -> int:
        """1 when any stack does not conform or cannot be judged, else the worst of them."""
        statuses = {column.status for column in self.columns}
        return 1 if 1 in statuses else max(statuses, default=0)

    def changes(self, clause: str) -> bool:
        """Whether the stacks that were judged do not all agree on a clause."""
        return len({column.clause(clause) for column in self.columns if column.record}) > 1


def merged(folders: Iterable[Path]) -> Matrix:
    """Every stack found below the folders.

    Raises `RecordError` when there is none, when two have the same name, or when records are of
    another suite version, profile or trainer than the first.
    """
    columns = [_column(state, place) for folder in folders for state, place in judged(folder)]
    if not columns:
        raise RecordError("no stack was judged in " + ", ".join(map(str, folders)))
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecordError(f"more than one folder holds the stack {twice[0]}")
    _check_comparable(columns)
    return Matrix(tuple(sorted(columns, key=lambda column: (column.state.index, column.name))))


def write(matrix: Matrix, folder: Path) -> tuple[Path, ...]:
    """Write the page as HTML and as Markdown into ``folder``; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / name for name in PAGES)
    for path, text in zip(paths, (html(matrix), markdown(matrix)), strict=True):
        write_atomically(path, text)
    return paths


def show(matrix: Matrix, console: Console) -> None:
    """Print a line a stack and the sentence that sums them up."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("stack", "verdict", "clauses"):
        table.add_column(head)
    for each in matrix.columns:
        counts = each.record.counts if each.record else {}
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or each.reason
        cells = (each.name, each.headline, said)
        table.add_row(*(Text(clean(cell), overflow="fold") for cell in cells))
    console.print(table)
    style = {0: "bold green", 1: "bold red"}.get(matrix.exit_status, "bold magenta")
    console.print(Text(matrix.sentence, style), soft_wrap=True)


def html(matrix: Matrix) -> str:
    """The page as HTML5 that needs nothing else; whatever it holds is escaped."""
    return page("matrix.html.j2", matrix=matrix)


def markdown(matrix: Matrix) -> str:
    """The page as GitHub Flavored Markdown."""
    lost = [f"- {escape(each.name)}: {escape(each.reason)}" for each in matrix.columns]
    lost = [line for line, each in zip(lost, matrix.columns, strict=True) if each.reason]
    clauses = [name for ids in matrix.chapters.values() for name in ids]
    parts = [
        f"# {escape(matrix.sentence)}",
        escape(matrix.suite) if matrix.judged else "",
        _table(
            ["stack", "verdict", *matrix.chapters],
            [
                [each.name, each.headline, *(str(each.chapter(c)) for c in matrix.chapters)]
                for each in matrix.columns
            ],
        ),
        "\n".join(["## Not judged", "", *lost]) if lost else "",
        "## Clauses",
        _table(
            ["clause", *(column.name for column in matrix.columns)],
            [
                [name, *(str(each.clause(name) or "") for each in matrix.columns)]
                for name in clauses
            ],
        ),
        "## Stacks",
        "\n".join(f"- {escape(each.name)}: {escape(each.about)}" for each in matrix.columns),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell if line is lines[1] else escape(cell) for cell in line)} |"
        for line in lines
    )


def _column(state: State, place: Path) -> Column:
    if state.reason:
        return Column(state, None, clean(state.reason))
    try:
        return Column(state, read(place))
    except RecordError as error:
        return Column(state, None, clean(str(error)).removeprefix(f"{place / RECORD}: "))


def _check_comparable(columns: Iterable[Column]) -> None:
    given = [(column.name, column.record) for column in columns if column.record]
    for name, record in given:
        for what in ("suite_version", "profile", "trainer"):
            expected, got = getattr(given[0][1], what), getattr(record, what)
            if got != expected:
                raise RecordError(
                    f"{name} was judged with {what.replace('_', ' ')} {got}, "
                    f"{given[0][0]} with {expected}: no comparison of the two is fair"
                )
