"""What samples say: medians with intervals, and how far one set lies from another.

The bootstrap is scipy's (the extra ``gpu``): percentiles of resampled medians, since medians of few
values repeat, which the corrections of other methods do not take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.compat import Unavailable, is_installed

CONFIDENCE = 0.95
RESAMPLES = 2000
LEAST = 30
"""Windows without which nothing is said."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


def median(samples: Sequence[float]) -> Interval:
    """The median of samples, with its interval. Raises `Unavailable` without scipy."""
    numpy = _numpy()
    return _bootstrapped((samples,), lambda x, axis: numpy.median(x, axis=axis))


def shift(before: Sequence[float], after: Sequence[float]) -> Interval:
    """By which share the median of ``after`` is larger: ln(after / before); 0.01 is 1 %.

    The logarithm makes a shift and its reverse the same size. Raises `Unavailable` without scipy.
    """
    numpy = _numpy()

    def logged(one: Any, other: Any, axis: int) -> Any:
        return numpy.log(numpy.median(other, axis=axis) / numpy.median(one, axis=axis))

    return _bootstrapped((before, after), logged)


def verdict(before: Sequence[float], after: Sequence[float], threshold: float) -> str:
    """``regression``, ``improvement`` or ``unchanged`` of seconds a step; else ``inconclusive``.

    Something changed when the interval of the shift excludes zero and the shift is larger than
    ``threshold``, which runs of the same against itself gave. It is unchanged when the whole
    interval lies within the threshold. With fewer than `LEAST` samples all is inconclusive.
    """
    if min(len(before), len(after)) < LEAST:
        return "inconclusive"
    found = shift(before, after)
    if found.excludes_zero and abs(found.value) > threshold:
        return "regression" if found.value > 0 else "improvement"
    return "unchanged" if max(abs(found.low), abs(found.high)) <= threshold else "inconclusive"


def threshold(shifts: Sequence[float]) -> float:
    """What runs of the same against itself differ by: the largest shift, and half of it more.

    With n shifts the next one is larger than the largest with a chance of 1 / (n + 1), and half as
    much again is rarely met by what has the tails of measured times. Raises `ValueError` for fewer
    than three shifts.
    """
    if len(shifts) < 3:
        raise ValueError(f"{len(shifts)} runs against themselves calibrate nothing, 3 are needed")
    return 1.5 * max(abs(value) for value in shifts)


def _bootstrapped(samples: tuple[Sequence[float], ...], statistic: Any) -> Interval:
    if not is_installed("scipy"):
        raise Unavailable("scipy is not installed (the extra gpu)")
    from scipy.stats import bootstrap

    numpy = _numpy()
    arrays = tuple(numpy.asarray(each, dtype=float) for each in samples)
    value = float(statistic(*arrays, axis=-1))
    if all(len(set(each.tolist())) == 1 for each in arrays):  # nothing varies
        return Interval(value, value, value)
    found = bootstrap(
        arrays,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        paired=False,
        vectorized=True,
        random_state=numpy.random.default_rng(0),
    ).confidence_interval
    low, high = float(found.low), float(found.high)
    return Interval(value, low, high)


def _numpy() -> Any:
    import numpy

    return numpy
