"""Known deviations of the libraries: data, matched strictly by clause, case, versions, symptom."""

from .deviation import CaseKey, Deviation, Symptom, meets
from .matching import (
    DeviationError,
    certain,
    explaining,
    heed,
    listed,
    load,
    preventing,
    resembling,
)

__all__ = [
    "CaseKey",
    "Deviation",
    "DeviationError",
    "Symptom",
    "certain",
    "explaining",
    "heed",
    "listed",
    "load",
    "meets",
    "preventing",
    "resembling",
]
