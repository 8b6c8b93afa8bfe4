"""Known deviations of the libraries: data, matched strictly by clause, case, versions, symptom."""

from .matching import (
    CaseKey,
    Deviation,
    DeviationError,
    Symptom,
    explaining,
    listed,
    load,
    preventing,
)

__all__ = [
    "CaseKey",
    "Deviation",
    "DeviationError",
    "Symptom",
    "explaining",
    "listed",
    "load",
    "preventing",
]
