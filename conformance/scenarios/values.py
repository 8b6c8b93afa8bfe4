"""Which values the fields of a scenario take: they go into scripts that are run, and reports."""

import re
from dataclasses import Field
from math import isfinite
from typing import Any

_NAME = re.compile(r"[\w.:-]*", re.ASCII)


def misfit(field: "Field[Any]", value: Any) -> str:
    """Why a field cannot have this value, or ""; a fraction may be given as a whole number."""
    kinds = (float, int) if field.type is float else (field.type,)
    if type(value) not in kinds:
        return f"{field.name} is no {getattr(kinds[0], '__name__', kinds[0])}: {value!r}"
    if isinstance(value, float) and not isfinite(value):
        return f"{field.name} is {value}"
    if isinstance(value, str) and not _NAME.fullmatch(value):
        return f"{field.name} is no name: {value!r}"
    return ""
