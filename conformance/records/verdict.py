"""The eight verdicts a case or a clause can get, and which of several counts."""

from collections.abc import Iterable
from enum import Enum


class Verdict(str, Enum):
    """What a judgement came to; ``deviation`` failed as listed, ``fixed`` passed though listed."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    DEVIATION = "deviation"
    FIXED = "fixed"
    NOT_RUN = "not-run"
    TIMEOUT = "timeout"
    CRASH = "crash"
    ERROR = "error"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def broken(self) -> bool:
        """Whether the clause did not hold, in a way nobody expected."""
        return self in (Verdict.FAIL, Verdict.TIMEOUT, Verdict.CRASH)


SEVERITY = (
    Verdict.CRASH,
    Verdict.TIMEOUT,
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.FIXED,
    Verdict.DEVIATION,
    Verdict.PASS,
    Verdict.NOT_RUN,
)
"""All verdicts, worst first: what is broken stands whatever else went wrong, and ``not-run`` comes
last because anything that ran says more."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of the verdicts; ``not-run`` when there is nothing else, or nothing at all."""
    return min(verdicts, key=SEVERITY.index, default=Verdict.NOT_RUN)
