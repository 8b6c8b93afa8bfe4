"""Telling whether anything that decides a fault's outcome has changed since it was seen."""

import ast
import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from conformance.contract import load, tested
from conformance.faults import Fault
from conformance.paths import fixtures
from conformance.records import stack

PACKAGE = Path(__file__).resolve().parent.parent
_ONE_BY_ONE = re.compile(r"suite/test_.*|faults/.*|contract/.*\.toml")
_WITHOUT_SAY = ("reports/", "benchmarks/", "environments/", "deviations/scripts/", "cli.py")

UNKNOWN = ""
"""The fingerprint of what cannot be told apart from something else; it equals no other."""


def fingerprint(fault: Fault, *, matrix: bool) -> str:
    """A hash of all that decides what becomes of ``fault``, or `UNKNOWN`.

    That is the fault and its helpers, the clause's entry and the files of its tests (with
    ``matrix`` those of every clause), the rest of the package, the fixtures, and the installed
    libraries with their versions and builds.
    """
    installed = _installed()
    if installed is None:
        return UNKNOWN
    clauses = _all_clauses() if matrix else _clauses(fault.clause)
    return _hash([installed, _machinery(), source(fault), clauses])


def source(fault: Fault) -> str:
    """The code of a fault: its module without the module's other faults, and the seams."""
    path = Path(inspect.getfile(fault.plant))
    tree = ast.parse(_text(path))
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and _is_fault(node))
        or node.name == fault.plant.__name__
    ]
    return ast.dump(tree) + _text(PACKAGE / "faults" / "seams.py")


@cache
def _clauses(*names: str) -> str:
    """The entries of these clauses and the files of their tests."""
    found, entries = _tests(), [repr(load().clause(name)) for name in names]
    files = {test.partition("::")[0] for name in names for test in found.get(name, ())}
    return _hash([*entries, *(_text(PACKAGE / "suite" / file) for file in sorted(files))])


@cache
def _all_clauses() -> str:
    return _clauses(*(clause.id for clause in load().clauses))


@cache
def _tests() -> Mapping[str, tuple[str, ...]]:
    return tested(load())


def _is_fault(node: ast.FunctionDef) -> bool:
    calls = [call.func for call in node.decorator_list if isinstance(call, ast.Call)]
    return any(isinstance(called, ast.Name) and called.id == "fault" for called in calls)


@cache
def _machinery() -> str:
    """All code and data of the package that every outcome may depend on, and the fixtures."""
    found = [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in (".py", ".toml", ".ini")]
    names = {path.relative_to(PACKAGE).as_posix(): path for path in found}
    shared = [
        path
        for name, path in names.items()
        if not (_ONE_BY_ONE.fullmatch(name) or name.startswith(_WITHOUT_SAY))
    ]
    data = [path for path in sorted(fixtures().rglob("*")) if path.is_file()]
    return _hash([str(path.name) + _text(path) for path in (*shared, *data)])


@cache
def _installed() -> str | None:
    """Versions and builds of the libraries; `None` when one is installed in editable form, whose
    code may change under the same version.
    """
    found = stack()
    records = []
    for package in found.packages:
        distribution = metadata.distribution(package)
        if '"editable": true' in (distribution.read_text("direct_url.json") or ""):
            return None
        records.append(distribution.read_text("RECORD") or "")
    return _hash([json.dumps(found.to_json(), sort_keys=True), *records])


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _hash(parts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() + b"\0")
    return found.hexdigest()
