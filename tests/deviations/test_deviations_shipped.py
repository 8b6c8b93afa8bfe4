"""Each of the shipped files is sound: its texts, patterns, conditions and script."""

import ast
import sys
from fnmatch import fnmatchcase

import pytest

from conformance.contract import load as load_contract
from conformance.deviations.matching import FOLDER, Deviation, load
from conformance.scenarios import Scenario
from conformance.subjects import SHIPPED as SHIPPED_SUBJECTS

SHIPPED = load()
EACH = pytest.mark.parametrize("deviation", SHIPPED, ids=lambda deviation: deviation.id)
SCRIPT_IMPORTS = {
    "accelerate",
    "bitsandbytes",
    "datasets",
    "optuna",
    "peft",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
}


def test_something_is_shipped_and_every_file_is_read() -> None:
    assert SHIPPED
    assert [d.id for d in SHIPPED] == sorted(path.stem for path in FOLDER.glob("*.toml"))


@EACH
def test_says_what_goes_wrong_in_sentences_and_links_to_the_web(deviation: Deviation) -> None:
    assert deviation.summary.endswith(".")
    assert deviation.link == "" or deviation.link.startswith("https://github.com/")


@EACH
def test_names_the_releases_it_is_known_of(deviation: Deviation) -> None:
    assert deviation.versions
    assert all(showing.versions for showing in deviation.showings)


@EACH
def test_every_clause_pattern_matches_a_clause(deviation: Deviation) -> None:
    clauses = [clause.id for clause in load_contract().clauses]
    for pattern in (pattern for each in deviation.showings for pattern in each.clauses):
        assert any(fnmatchcase(clause, pattern) for clause in clauses), pattern


@EACH
def test_every_trainer_it_names_is_one_that_is_known(deviation: Deviation) -> None:
    assert {*deviation.trainers, *deviation.spares} <= {*SHIPPED_SUBJECTS}


@EACH
def test_every_test_pattern_matches_a_test_of_the_suite(deviation: Deviation) -> None:
    suite = FOLDER.parent / "suite"
    tests = {
        node.name
        for path in suite.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    for pattern in (pattern for each in deviation.showings for pattern in each.tests):
        assert any(fnmatchcase(test, pattern) for test in tests), pattern


@EACH
def test_every_condition_is_about_something_a_scenario_has(deviation: Deviation) -> None:
    for name in (name for each in deviation.showings for name in each.when):
        assert hasattr(Scenario(), name), name


@EACH
def test_the_script_needs_the_libraries_alone(deviation: Deviation) -> None:
    script = FOLDER / "scripts" / deviation.script
    tree = ast.parse(script.read_text(encoding="utf-8"), filename=deviation.script)
    assert ast.get_docstring(tree)
    assert _imports(tree) <= SCRIPT_IMPORTS | set(sys.stdlib_module_names)


def test_every_script_belongs_to_one_deviation() -> None:
    scripts = sorted(path.name for path in (FOLDER / "scripts").glob("*.py"))
    assert sorted(deviation.script for deviation in SHIPPED) == scripts


def _imports(tree: ast.AST) -> set[str]:
    """The top-level packages that a module imports; relative imports count as a dot."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level else str(node.module).partition(".")[0])
    return found
