"""Print the stack that a ``noxfile.py`` on the standard input pins, without running any of it."""

import ast
import sys


def pins(source: str) -> list[str]:
    """The texts in the list that is assigned to ``STACK``; raises `SystemExit` without one."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STACK":
            return [str(each) for each in ast.literal_eval(node.value)]
    raise SystemExit("no STACK is pinned there")


if __name__ == "__main__":
    print(*pins(sys.stdin.read()))
