"""Which clauses have tests: read from the suite's source, without importing it."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from .model import Clause, Contract, ContractError, UnknownClause

SUITE = Path(__file__).resolve().parent.parent / "suite"


@cache
def tested(contract: Contract, suite: Path = SUITE) -> Mapping[str, tuple[str, ...]]:
    """Clause ids to the names of their tests (``test_frozen.py::test_x``), in contract order.

    A test is a function ``test_*`` in a file ``test_*.py`` of ``suite``, decorated with
    ``clause("id", ...)`` under any prefix (``@clause``, ``@pytest.mark.clause``). Raises
    `ContractError`, with the test named, for an id that ``contract`` does not have, for arguments
    that are not literal strings, and for a decorator without any. Reads a suite once a process.
    """
    found: dict[str, list[str]] = {clause.id: [] for clause in contract.clauses}
    for path in sorted(suite.glob("test_*.py")):
        for test, ids in _decorated(path):
            for identifier in ids:
                try:
                    found[contract.clause(identifier).id].append(test)
                except UnknownClause as error:
                    raise ContractError(f"{test}: {error}") from error
    return {identifier: tuple(tests) for identifier, tests in found.items() if tests}


def untested(contract: Contract, suite: Path = SUITE) -> tuple[Clause, ...]:
    """The clauses of ``contract`` without any test in ``suite``; raises as `tested` does."""
    covered = tested(contract, suite)
    return tuple(clause for clause in contract.clauses if clause.id not in covered)


def _decorated(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            test = f"{path.name}::{node.name}"
            for decorator in node.decorator_list:
                if _is_clause(decorator):
                    yield test, _ids(decorator, test)


def _is_clause(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
    return name == "clause"


def _ids(decorator: ast.expr, test: str) -> tuple[str, ...]:
    arguments = decorator.args if isinstance(decorator, ast.Call) else []
    values = [a.value if isinstance(a, ast.Constant) else None for a in arguments]
    ids = tuple(value for value in values if isinstance(value, str))
    if not ids or len(ids) < len(values):
        raise ContractError(f"{test}: clause() takes ids as literal strings, at least one")
    return ids
