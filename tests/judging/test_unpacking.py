"""Nothing is unpacked that could run code, or write where it likes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import conformance

PACKAGE = Path(conformance.__file__).parent
NEVER = {"extractall", "unpack_archive"}
UNPICKLING = {("pickle", "load"), ("pickle", "loads"), ("torch", "load")}


def unsafe(text: str) -> Iterator[int]:
    """Lines of calls that unpack what anybody may have written.

    What this very program has written a moment ago may be unpickled, which a comment says.
    """
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        pickled = (owner, node.func.attr) in UNPICKLING and not _weights_alone(node)
        said = lines[node.lineno - 2].strip().startswith("#")
        if node.func.attr in NEVER or (pickled and not said):
            yield node.lineno


def _weights_alone(call: ast.Call) -> bool:
    return any(
        each.arg == "weights_only" and getattr(each.value, "value", False) is True
        for each in call.keywords
    )


def test_what_is_unsafe_is_found() -> None:
    text = "torch.load(x)\ntorch.load(x, weights_only=False)\npickle.loads(x)\nz.extractall(y)\n"
    assert list(unsafe(text)) == [1, 2, 3, 4]
    assert list(unsafe("torch.load(x, weights_only=True)\n# Ours.\npickle.load(x)\n")) == []


def test_nothing_unsafe_is_unpacked() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "scripts"  # which read what they have just written
        for line in unsafe(path.read_text(encoding="utf-8"))
    ]
    assert found == []
