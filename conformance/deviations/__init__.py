"""Known deviations of the libraries: data, matched strictly by clause, case, versions, symptom."""

from .matching import (
    CaseKey,
    Deviation,
    DeviationError,
    Symptom,
    explaining,
    heed,
    listed,
    load,
    meets,
    preventing,
)

__all__ = [
    "CaseKey",
    "Deviation",
    "DeviationError",
    "Symptom",
    "explaining",
    "heed",
    "listed",
    "load",
    "meets",
    "preventing",
]
