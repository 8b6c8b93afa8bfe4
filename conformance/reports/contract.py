"""The contract itself, for people at a terminal and for programs."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from conformance.contract import Chapter

Tests = Mapping[str, tuple[str, ...]]


def listed(chapters: Iterable[Chapter], tests: Tests) -> list[dict[str, Any]]:
    """The chapters as JSON values: ``name``, ``title`` and, of each clause, its level and tests."""
    return [
        {
            "name": chapter.name,
            "title": chapter.title,
            "clauses": [
                {
                    "id": clause.id,
                    "level": str(clause.level),
                    "statement": clause.statement,
                    "tests": list(tests.get(clause.id, ())),
                }
                for clause in chapter.clauses
            ],
        }
        for chapter in chapters
    ]


def show_chapters(chapters: Iterable[Chapter], tests: Tests, console: Console) -> None:
    """Print each chapter and a line for each of its clauses."""
    for chapter in chapters:
        tested = sum(clause.id in tests for clause in chapter.clauses)
        title = Text.assemble((chapter.name, "bold"), f": {chapter.title} ")
        title.append(f"({tested} of {len(chapter.clauses)} tested)", "dim")
        console.print(title, soft_wrap=True)
        for clause in chapter.clauses:
            state = ("tested", "green") if clause.id in tests else ("no test yet", "yellow")
            line = Text.assemble(f"  {clause.level!s:<8} {clause.id:<44} ", state)
            console.print(line, soft_wrap=True)
