"""Reading what a test noted of what it did: records come from anywhere, and scripts are run."""

import ast
from collections.abc import Collection
from typing import Any

from conformance.records import Case

from .rule import NoScript

NUMBER = int | float
PLAIN = bool | int | float | str | None
"""Of what tests give to the libraries, what is no list."""


def noted(case: Case, name: str, shape: Any) -> Any:
    """A value of this shape: a type, a tuple or a list of shapes, or a dictionary of them.

    Raises `NoScript` where the test did not come so far, or what is there has another shape.
    """
    try:
        value = ast.literal_eval(str(case.evidence[name]))
    except (KeyError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    if not _fits(value, shape):
        raise NoScript("no stand-alone script: the case does not say what was done")
    return value


def only(given: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The same, where all of its names are among these; raises `NoScript`."""
    if not set(given) <= set(names):
        raise NoScript("no stand-alone script: the case was given what no test gives")
    return given


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(each, shape[0]) for each in value)
    if isinstance(shape, tuple):
        return (
            isinstance(value, tuple) and len(value) == len(shape) and all(map(_fits, value, shape))
        )
    return isinstance(value, shape)
