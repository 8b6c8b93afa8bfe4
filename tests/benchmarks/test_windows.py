"""The stopwatch, on a clock that is turned by hand."""

import pytest

from conformance.benchmarks.windows import Stopwatch


class Clock:
    """A clock that stands still, and a device that lags behind until one waits for it."""

    def __init__(self, lag: float = 0.0) -> None:
        self.now = 0.0
        self.lag = lag
        self.waited = 0

    def __call__(self) -> float:
        return self.now

    def synchronise(self) -> None:
        self.waited += 1
        self.now += self.lag
        self.lag = 0.0


def run(watch: Stopwatch, clock: Clock, *seconds: float) -> bool:
    done = False
    for each in seconds:
        clock.now += each
        done = watch.step()
    return done


def test_warm_up_is_not_timed() -> None:
    clock = Clock()
    watch = Stopwatch(2, clock.synchronise, warm_up=4, shortest=0.5, clock=clock)
    assert not run(watch, clock, 9.0, 9.0, 1.0, 1.0)
    assert watch.samples == []
    assert not run(watch, clock, 1.5)
    assert run(watch, clock, 2.5)
    assert watch.samples == [1.5, 2.5]


def test_short_steps_share_a_window() -> None:
    clock = Clock()
    watch = Stopwatch(1, clock.synchronise, warm_up=4, shortest=0.2, clock=clock)
    run(watch, clock, 5.0, 5.0, 0.0625, 0.0625)
    assert watch.per_window == 4
    assert not run(watch, clock, 0.1, 0.1, 0.1)
    assert run(watch, clock, 0.5)
    assert watch.samples == [pytest.approx(0.2)]


def test_the_device_is_waited_for_at_the_edges_alone() -> None:
    clock = Clock()
    watch = Stopwatch(2, clock.synchronise, warm_up=4, shortest=0.2, clock=clock)
    run(watch, clock, 0.0625, 0.0625, 0.0625, 0.0625)
    before = clock.waited
    clock.lag = 8.0  # work that was told and is not done
    run(watch, clock, *[0.0625] * 4)
    assert clock.waited - before == 1
    assert watch.samples == [pytest.approx((8.0 + 0.25) / 4)]


def test_ranks_put_as_many_steps_into_a_window_as_the_slowest_to_tell() -> None:
    clock = Clock()
    watch = Stopwatch(
        1, clock.synchronise, warm_up=4, shortest=0.2, clock=clock, agree=lambda steps: steps + 2
    )
    run(watch, clock, 5.0, 5.0, 0.0625, 0.0625)
    assert watch.per_window == 6


def test_one_step_cannot_warm_up() -> None:
    with pytest.raises(ValueError, match="1 warm-up steps"):
        Stopwatch(1, lambda: None, warm_up=1)
