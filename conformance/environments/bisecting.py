"""Tracing what a clause shows to the release that brought it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from .search import Found, Outcome, Search
from .trials import Pins, Trial, TrialRunner, shown

Fitting = Callable[[str, str], Mapping[str, str]]
Offered = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a bisection came to.

    ``sentences`` say it, the conclusion last. ``good`` and ``bad`` are the two trials on either
    side of it; both are `None` unless it is ``answered``.
    """

    sentences: tuple[str, ...]
    good: Trial | None = None
    bad: Trial | None = None

    @property
    def answered(self) -> bool:
        """Whether a release was named."""
        return self.bad is not None


@dataclass(slots=True)
class Line:
    """The releases of one package, tried in order with the companions held where they resolve.

    ``fitting`` gives the companions to try where they do not; without it they are always held.
    ``patience`` is as `Search.good_before` has it.
    """

    package: str
    releases: Sequence[str]
    companions: Pins
    runner: TrialRunner
    fitting: Fitting | None = None
    patience: int | None = None
    search: Search = field(init=False)

    def __post_init__(self) -> None:
        self.search = Search(len(self.releases), lambda at: self.at(at).outcome)

    def again(self) -> "Line":
        """The same line for a question that has changed."""
        return replace(self)

    def at(self, position: int) -> Trial:
        """The trial of one release."""
        release = self.releases[position]
        held = self.runner.trial({self.package: release, **self.companions})
        if held.built or self.fitting is None:
            return held
        others = {**self.companions, **self.fitting(self.package, release)}
        others.pop(self.package, None)
        return self.runner.trial({self.package: release, **others})

    def last_bad(self, first: str | None) -> int | None:
        """Where the defect shows: at the release ``first``, or at the newest that can be judged."""
        if first in self.releases:
            position = self.releases.index(first)
            if self.search.outcome(position) is Outcome.BAD:
                return position
        return self.search.last_bad()

    def every(self) -> None:
        """Judge all releases, so that each change is seen."""
        for position in range(len(self.releases)):
            self.search.outcome(position)

    def sentences(self, found: Found) -> list[str]:
        """What else has to be said of a result on this line."""
        said = []
        if found.unknown:
            names = ", ".join(self.releases[at] for at in found.unknown)
            said.append(f"It may also be one of those that cannot be judged: {names}.")
        if found.contrary:
            names = ", ".join(
                f"{self.releases[at]} {self.search.known[at]}" for at in found.contrary
            )
            said.append(f"It changes more than once, this is one of the changes; also: {names}.")
        return said


def bisect(line: Line, good: str | None, bad: str | None, installed: str | None) -> Answer | Trial:
    """The release of a line that first shows the defect, between ends given or found.

    Hands back a trial when the package alone does not explain it: the end given as good that shows
    the defect, the oldest release when all show it, or the end given as bad that does not.
    """
    search, releases = line.search, line.releases
    newest = releases.index(bad) if bad else line.last_bad(installed)
    if newest is None:
        return Answer((f"No release of {line.package} that can be judged shows it.",))
    if search.outcome(newest) is not Outcome.BAD:
        return _no_end(line.at(newest))
    oldest = releases.index(good) if good else search.good_before(newest, line.patience)
    if oldest is None:
        return line.at(min(at for at, o in search.known.items() if o is Outcome.BAD))
    if search.outcome(oldest) is not Outcome.GOOD:
        return _no_end(line.at(oldest))
    found = search.narrow(oldest, newest)
    assert found.good is not None and found.bad is not None  # narrow starts from both
    conforming, failing = line.at(found.good), line.at(found.bad)
    return Answer((*line.sentences(found), _named(line, conforming, failing)), conforming, failing)


def held_throughout(answer: Answer, package: str) -> bool:
    """Whether both sides of an answer had the same companions."""
    if answer.good is None or answer.bad is None:
        return True
    return answer.good.without(package) == answer.bad.without(package)


def _no_end(trial: Trial) -> Answer | Trial:
    if trial.outcome is Outcome.UNKNOWN:
        why = trial.reason or trial.verdict
        return Answer((f"Cannot tell: {shown(trial.pins)} cannot be judged: {why}.",))
    return trial


def _named(line: Line, conforming: Trial, failing: Trial) -> str:
    """The conclusion, with the package's two releases."""
    name = line.package
    shows, conforms = failing.pins[name], conforming.pins[name]
    if Version(shows) < Version(conforms):
        return f"{name} {shows} is the last release that shows it; {conforms} does not."
    return f"{name} {shows} is the first release that shows it; {conforms} does not."
