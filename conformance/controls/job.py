"""What is asked of a process that plants a fault, and what it answers, as plain data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from conformance.records import Case

NOT_PLANTED = ""
"""The name of no fault: what is judged with it is the control."""


LIMIT = 300.0  # seconds: a cold start, a clause at profile faults, and slack


@dataclass(frozen=True, slots=True)
class Job:
    """Plant ``fault`` and judge ``clauses`` on every scenario of profile faults.

    With ``matrix``, other clauses are judged besides, see `sampling`; with no fault planted, they
    alone, on every scenario that ``clauses`` meet. It may take ``limit`` seconds.
    """

    fault: str
    clauses: tuple[str, ...]
    matrix: bool = False
    limit: float = LIMIT

    @property
    def others_alone(self) -> bool:
        """Whether this is the control of the matrix."""
        return self.matrix and self.fault == NOT_PLANTED

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Job":
        """The job that `to_json` described."""
        return cls(**{**data, "clauses": tuple(data["clauses"])})


class Ending(str, Enum):
    """How a process that judged came to its end."""

    DONE = "done"
    LATE = "late"
    CRASHED = "crashed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one job found, as far as it came.

    ``cases`` are those of the job's own clauses, ``others`` those of the matrix. ``ending`` is how
    judging the own clauses ended, and ``message`` says why when not as it should; ``cut`` is why
    the matrix ended early, if it did. ``seconds`` were taken in all.
    """

    cases: tuple[Case, ...] = ()
    others: tuple[Case, ...] = ()
    ending: Ending = Ending.DONE
    message: str = ""
    cut: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "cases": [case.to_json() for case in self.cases],
            "others": [case.to_json() for case in self.others],
            "ending": self.ending.value,
            "message": self.message,
            "cut": self.cut,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Answer":
        """The answer that `to_json` described."""
        return cls(
            **{
                **data,
                "cases": tuple(map(Case.from_json, data["cases"])),
                "others": tuple(map(Case.from_json, data["others"])),
                "ending": Ending(data["ending"]),
            }
        )
