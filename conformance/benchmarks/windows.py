"""Timing a training in windows: steps between two moments at which the device has caught up."""

import math
import time
from collections.abc import Callable

WARM_UP = 10
"""Optimizer steps before anything is timed: allocation, autotuning and clocks settle."""
SHORTEST = 0.2
"""Seconds a window lasts at least, so that waiting for the device at its edges is no share of it"""


class Stopwatch:
    """Told of every optimizer step; ``samples`` are seconds a step, one for each window.

    ``synchronise`` waits for the device; ``agree`` makes of the steps that this process would put
    into a window what all processes of a training put into one. Raises `ValueError` for fewer
    warm-up steps than two.
    """

    def __init__(
        self,
        windows: int,
        synchronise: Callable[[], None],
        *,
        warm_up: int = WARM_UP,
        shortest: float = SHORTEST,
        clock: Callable[[], float] = time.perf_counter,
        agree: Callable[[int], int] = lambda steps: steps,
    ) -> None:
        if warm_up < 2:
            raise ValueError(f"{warm_up} warm-up steps cannot tell how long a step is")
        self.windows = windows
        self.synchronise = synchronise
        self.warm_up = warm_up
        self.shortest = shortest
        self.clock = clock
        self.agree = agree
        self.samples: list[float] = []
        self.steps = 0
        self.per_window = 1
        self._edge = 0.0

    def step(self) -> bool:
        """An optimizer step is done; whether all windows are."""
        self.steps += 1
        half = self.warm_up // 2
        if self.steps == half:
            self._edge = self._now()
        elif self.steps == self.warm_up:
            now = self._now()
            one = (now - self._edge) / (self.warm_up - half)
            self.per_window = self.agree(max(1, math.ceil(self.shortest / max(one, 1e-9))))
            self._edge = now
        elif self.steps > self.warm_up and (self.steps - self.warm_up) % self.per_window == 0:
            now = self._now()
            self.samples.append((now - self._edge) / self.per_window)
            self._edge = now
        return len(self.samples) >= self.windows

    def _now(self) -> float:
        self.synchronise()
        return self.clock()
