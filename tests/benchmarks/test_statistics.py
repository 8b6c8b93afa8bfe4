"""How often the statistics cry wolf, and how often they miss one: measured on drawn samples.

Times a step are drawn as they come on a quiet card: a floor and a tail to the slow side, and each
process at a level of its own.
"""

from collections.abc import Iterator

import numpy
import pytest

from conformance.benchmarks.statistics import median, shift, threshold, verdict

WINDOWS = 30
TRIALS = 60
NOISE = 0.01  # of a window
LEVEL = 0.004  # of a process


def drawn(random: numpy.random.Generator, slower: float = 0.0) -> list[float]:
    level = 0.5 * (1 + slower) * random.lognormal(0, LEVEL)
    return list(level * (1 + NOISE * random.gamma(2.0, 0.5, WINDOWS)))


def outcomes(slower: float, seed: int) -> Iterator[str]:
    """Verdicts over many pairs of runs, each with a threshold of ten runs against themselves."""
    random = numpy.random.default_rng(seed)
    for _ in range(TRIALS):
        same = [shift(drawn(random), drawn(random)).value for _ in range(10)]
        yield verdict(drawn(random), drawn(random, slower), threshold(same))


def test_interval_holds_the_median() -> None:
    """Of 95 % intervals some 95 of a hundred do; three standard errors of that are allowed."""
    random = numpy.random.default_rng(5)
    true = 0.5 * (1 + NOISE * 0.5 * 1.67834699)  # the median of gamma(2)
    held = 0
    for _ in range(100):
        found = median(0.5 * (1 + NOISE * random.gamma(2.0, 0.5, WINDOWS)))
        held += found.low <= true <= found.high
    assert held >= 95 - 3 * (100 * 0.95 * 0.05) ** 0.5


def test_false_alarms_are_rare() -> None:
    """Nothing changed: at most one in twenty is said to have, either way."""
    found = list(outcomes(0.0, seed=1))
    assert sum(each in ("regression", "improvement") for each in found) <= TRIALS / 20


def test_a_regression_of_five_percent_is_seen() -> None:
    found = list(outcomes(0.05, seed=2))
    assert found.count("regression") >= 0.95 * TRIALS
    assert "improvement" not in found


def test_an_improvement_of_five_percent_is_seen() -> None:
    found = list(outcomes(-0.05, seed=3))
    assert found.count("improvement") >= 0.95 * TRIALS
    assert "regression" not in found


def test_a_shift_below_the_threshold_is_none() -> None:
    random = numpy.random.default_rng(4)
    before = [0.5 * value for value in random.normal(1.0, 1e-4, WINDOWS)]
    after = [value * 1.01 for value in before]
    assert verdict(before, after, threshold=0.005) == "regression"
    assert verdict(before, after, threshold=0.02) == "unchanged"


def test_noise_that_hides_all_is_inconclusive() -> None:
    random = numpy.random.default_rng(6)
    samples = [list(random.lognormal(0, 0.5, WINDOWS)) for _ in range(2)]
    assert verdict(*samples, threshold=0.01) == "inconclusive"


def test_few_windows_say_nothing() -> None:
    assert verdict([1.0] * 29, [2.0] * 30, threshold=0.01) == "inconclusive"


def test_what_does_not_vary_has_no_width() -> None:
    found = shift([1.0] * 30, [1.1] * 30)
    assert found.low == found.value == found.high == pytest.approx(numpy.log(1.1))


def test_two_runs_calibrate_nothing() -> None:
    with pytest.raises(ValueError, match="2 runs"):
        threshold([0.1, 0.2])
