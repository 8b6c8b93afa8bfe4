"""The contract that ships: its ids are frozen, and the suite covers the chapters in force."""

from pathlib import Path

import pytest

from conformance import contract
from conformance.contract import Level, load, untested
from conformance.contract.tested import SUITE

CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue.txt"
CHAPTERS = (
    "signature",
    "output",
    "injection",
    "detection",
    "frozen",
    "checkpoint",
    "resume",
    "loss",
    "accumulation",
    "loop",
    "precision",
    "checkpointing",
    "quantized",
    "distributed",
    "evaluation",
    "callbacks",
    "search",
    "recipes",
    "methods",
    "architectures",
    "lifecycle",
    "throughput",
)
IN_FORCE = CHAPTERS[: CHAPTERS.index("loop") + 1]


def test_ids_are_those_of_the_catalogue() -> None:
    assert sorted(c.id for c in load().clauses) == CATALOGUE.read_text("utf-8").split()


def test_chapters_come_in_reading_order() -> None:
    assert tuple(chapter.name for chapter in load().chapters) == CHAPTERS


def test_every_source_has_an_address() -> None:
    assert [c.id for c in load().clauses if "https://" not in c.source] == []


def test_what_is_only_observed_asks_for_no_more_than_one_case() -> None:
    observed = [c for c in load().clauses if c.level is Level.OBSERVED]
    assert observed
    assert {c.floor for c in observed} == {1}


@pytest.mark.parametrize("chapter", IN_FORCE)
def test_every_clause_in_force_has_a_test(chapter: str) -> None:
    assert [c.id for c in untested(load()) if c.chapter == chapter] == []


def _chapter_of(file: str) -> str:
    """``test_resume.py`` and ``test_resume_hurt.py`` are files of the chapter resume."""
    name = file.removeprefix("test_").removesuffix(".py")
    return name if name in CHAPTERS else name.partition("_")[0]


def test_suite_files_are_named_after_chapters() -> None:
    assert {_chapter_of(path.name) for path in SUITE.glob("test_*.py")} <= set(CHAPTERS)


def test_tests_stand_in_the_file_of_their_chapter() -> None:
    misplaced = {
        (clause, test)
        for clause, tests in contract.tested(load()).items()
        for test in tests
        if _chapter_of(test.partition("::")[0]) != load().clause(clause).chapter
    }
    assert misplaced == set()
