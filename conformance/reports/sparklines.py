"""Numbers over records as small curves: in SVG, and in characters for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.records.history import Spread

from .groups import shown

WIDTH, HEIGHT = 120, 24
_POINTS = 60
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points as SVG takes them: ``line`` is the median, ``band`` lies from least to largest."""

    line: str
    band: str
    label: str
    width: int = WIDTH
    height: int = HEIGHT


def curve(spreads: Sequence[Spread]) -> Curve:
    """The curve of some spreads, at least two, in at most sixty points that hide no extreme."""
    drawn = list(_thinned(spreads, _POINTS))
    low, high = min(each.least for each in drawn), max(each.largest for each in drawn)
    scale = (HEIGHT - 4) / (high - low) if high > low else 0.0

    def points(values: Sequence[float], places: Sequence[float]) -> list[str]:
        return [
            f"{x:.1f},{HEIGHT - 2 - (value - low) * scale:.1f}"
            for x, value in zip(places, values, strict=True)
        ]

    places = [1 + (WIDTH - 2) * n / max(1, len(drawn) - 1) for n in range(len(drawn))]
    upper = points([each.largest for each in drawn], places)
    lower = points([each.least for each in drawn], places)
    first, last = spreads[0], spreads[-1]
    label = f"{len(spreads)} records, median from {shown(first.median)} to {shown(last.median)}"
    label += f", between {shown(low)} and {shown(high)}"
    line = points([each.median for each in drawn], places)
    return Curve(" ".join(line), " ".join((*upper, *reversed(lower))), label)


def bars(spreads: Sequence[Spread], width: int = 16) -> str:
    """The medians as bars of characters, the least lowest; all low where nothing moves."""
    medians = [each.median for each in _thinned(spreads, width)]
    low, high = min(medians), max(medians)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in medians)


def _thinned(spreads: Sequence[Spread], most: int) -> Iterator[Spread]:
    """Neighbours put together: the last one's median, between all their extremes."""
    count = min(most, len(spreads))
    for n in range(count):
        part = spreads[n * len(spreads) // count : (n + 1) * len(spreads) // count]
        least = min(each.least for each in part)
        yield Spread(least, part[-1].median, max(each.largest for each in part))
