"""What a run shows while it goes on: one line on a terminal, nothing elsewhere."""

import time
from collections import Counter
from typing import TextIO

from conformance.records import Case, Verdict

_REFRESH = 0.1  # seconds between two drawings of the line
_WIDTH = 100


class Progress:
    """Cases done of those there are, the clause under judgement, and what failed so far."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = stream.isatty()
        self._expected = 0
        self._verdicts: Counter[Verdict] = Counter()
        self._drawn = 0.0

    def __enter__(self) -> "Progress":
        self._draw("importing the libraries …")
        return self

    def __exit__(self, *_: object) -> None:
        self._draw("")

    def say(self, line: str) -> None:
        """Something else goes on."""
        self._draw(line)

    def total(self, cases: int) -> None:
        """So many cases are expected."""
        self._expected = cases

    def case(self, case: Case) -> None:
        """One more case is done."""
        self._verdicts[case.verdict] += 1
        now = time.monotonic()
        if now - self._drawn >= _REFRESH or case.verdict.broken:
            self._drawn = now
            done = sum(self._verdicts.values())
            broken = sum(n for verdict, n in self._verdicts.items() if verdict.broken)
            self._draw(f"{done}/{self._expected} cases, {broken} failed · {case.clause}")

    def _draw(self, line: str) -> None:
        if self.shown:
            self.stream.write(f"\r{line[:_WIDTH]:<{_WIDTH}}\r{line[:_WIDTH]}")
            self.stream.flush()
