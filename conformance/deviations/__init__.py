"""Known deviations of the libraries: data, matched strictly by clause, case, versions, symptom."""

from .matching import Deviation, DeviationError, Symptom, explaining, listed, load

__all__ = ["Deviation", "DeviationError", "Symptom", "explaining", "listed", "load"]
