"""The committed lock: whole, of the pinned stack, and nobody's own index."""

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ci/locked.txt").read_text(encoding="utf-8")
BLOCKS = re.split(r"\n(?=\S)", TEXT.rstrip())
BOOTSTRAP = re.split(r"\n(?=\S)", (ROOT / "ci/bootstrap.txt").read_text("utf-8").rstrip())


def requirement(block: str) -> Requirement:
    return Requirement(block.splitlines()[0].rstrip(" \\"))


def pinned() -> list[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    (stack,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STACK"
    )
    return list(ast.literal_eval(stack))


@pytest.mark.parametrize(
    "block", dict.fromkeys((*BLOCKS, *BOOTSTRAP)), ids=lambda block: block.split(" ")[0]
)
def test_each_is_one_release_whose_files_are_known(block: str) -> None:
    (specifier,) = requirement(block).specifier
    assert specifier.operator == "=="
    hashes = [line.strip().rstrip(" \\") for line in block.splitlines()[1:]]
    assert hashes
    assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", line) for line in hashes)


def test_it_is_the_pinned_stack() -> None:
    held = {str(requirement(block)) for block in BLOCKS}
    assert {*pinned()} <= held


def test_torch_comes_from_elsewhere_and_no_index_is_named() -> None:
    names = {requirement(block).name for block in BLOCKS}
    assert not [name for name in names if re.match("torch|triton|nvidia-|cuda-", name)]
    assert not re.search(r"://|^-", TEXT, re.MULTILINE)


def test_what_a_change_has_to_pass_is_installed_by_hashes() -> None:
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "pip install" in line] == [
        ".nox/bootstrap/bin/pip install --quiet --require-hashes --requirement ci/bootstrap.txt"
    ]
    sessions = [number for number, line in enumerate(lines) if "nox -s" in line]
    assert lines.index("export LOCKED=1") < min(sessions)
    assert "nox" in {requirement(block).name for block in BOOTSTRAP}
