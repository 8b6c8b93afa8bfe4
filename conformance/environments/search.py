"""Finding the first bad one in an ordered line, of which some cannot be judged at all.

Knows nothing of releases or clauses: it is given positions and a function that judges one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Outcome(str, Enum):
    """What one position turned out to be; ``UNKNOWN`` could not be judged."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "cannot tell"

    def __str__(self) -> str:
        return str(self.value)


Judge = Callable[[int], Outcome]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to, as positions on the line.

    ``good`` is the last good one before ``bad``, the first bad one; `None` where there is none.
    ``unknown`` lie between the two and could not be judged: the first bad one may be among them.
    ``contrary`` are good ones that were met after a bad one, bad ones before a good one: with any,
    the line changes more than once, and ``good`` to ``bad`` is one of the changes.
    """

    good: int | None
    bad: int | None
    unknown: tuple[int, ...] = ()
    contrary: tuple[int, ...] = ()


class Search:
    """One search over positions ``0`` to ``length - 1``, each of which is judged at most once."""

    def __init__(self, length: int, judge: Judge) -> None:
        self.length = length
        self.known: dict[int, Outcome] = {}
        self._judge = judge

    def outcome(self, position: int) -> Outcome:
        """What this position is, judged if it was not yet."""
        if position not in self.known:
            self.known[position] = self._judge(position)
        return self.known[position]

    def last_bad(self) -> int | None:
        """The last position that can be judged, if that is bad; those after it are unknown."""
        for position in reversed(range(self.length)):
            if (outcome := self.outcome(position)) is not Outcome.UNKNOWN:
                return position if outcome is Outcome.BAD else None
        return None

    def good_before(self, bad: int, patience: int | None = None) -> int | None:
        """A good position before a bad one, looked for in steps that double, then at the start.

        `None` when the first position that can be judged is bad, or when ``patience`` of them in a
        row cannot be judged.
        """
        step, position, lost = 1, bad - 1, 0
        while position > 0:
            outcome = self.outcome(position)
            if outcome is Outcome.GOOD:
                return position
            if outcome is Outcome.UNKNOWN:
                position -= 1
                lost += 1
                if lost == patience:
                    return None
            else:
                lost = 0
                step *= 2
                position = max(0, position - step)
        first = next((at for at in range(bad) if self.outcome(at) is not Outcome.UNKNOWN), None)
        return first if first is not None and self.known[first] is Outcome.GOOD else None

    def narrow(self, good: int, bad: int) -> Found:
        """Halve the way from a good position to a bad one after it until they touch.

        Judges at most ``log2`` of the positions between them, and the unknown ones it meets.
        """
        bad = min(at for at, o in self.known.items() if o is Outcome.BAD and good < at <= bad)
        while between := self._open(good, bad):
            middle = between[len(between) // 2]
            outcome = self.outcome(middle)
            if outcome is Outcome.GOOD:
                good = middle
            elif outcome is Outcome.BAD:
                bad = middle
        return Found(good, bad, tuple(range(good + 1, bad)), self._contrary(good, bad))

    def _open(self, good: int, bad: int) -> list[int]:
        """Positions between the two that are not known to be unknown."""
        unknown = Outcome.UNKNOWN
        return [at for at in range(good + 1, bad) if self.known.get(at) is not unknown]

    def _contrary(self, good: int, bad: int) -> tuple[int, ...]:
        return tuple(
            at
            for at, outcome in sorted(self.known.items())
            if (outcome is Outcome.GOOD and at > bad) or (outcome is Outcome.BAD and at < good)
        )
