"""The guide in a large package's docstring names each of its modules."""

import ast
import re
from pathlib import Path

import pytest

import conformance

PACKAGE = Path(conformance.__file__).parent
GUIDED = ("", "benchmarks", "commands", "environments", "records", "reports", "running")
OF_COMMANDS = ("bisect", "faults", "gpu", "gpu_compare", "matrix", "run", "steady", "upgrade")


def guide(folder: Path) -> str:
    return ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""


@pytest.mark.parametrize("name", [*GUIDED, "running/launch"])
def test_every_module_is_in_the_guide(name: str) -> None:
    folder = PACKAGE / name
    named = set(re.findall(r"`([a-z_]+)`", guide(folder)))
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    assert modules - named - set(OF_COMMANDS if name == "commands" else ()) == set()
