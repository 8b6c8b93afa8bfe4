"""When moving one package alone does not explain what shows: its companions, one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from packaging.version import Version

from .bisecting import Answer, Fitting, Line, Offered, bisect, held_throughout
from .search import Outcome
from .trials import Pins, Trial, TrialRunner, shown

_PATIENCE = 4
"""Releases of a companion in a row that cannot be judged before older ones are given up."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is needed to try a package together with each companion of it."""

    line: Line
    offered: Offered
    fitting: Fitting

    @property
    def runner(self) -> TrialRunner:
        """Where combinations are tried."""
        return self.line.runner

    def explain(self, good: str | None, bad: str | None, installed: str | None) -> Answer:
        """The release that brought it: the package's where it alone explains it, else a pair's."""
        found = bisect(self.line, good, bad, installed)
        if isinstance(found, Answer):
            return found if held_throughout(found, self.line.package) else self._separated(found)
        if found.outcome is Outcome.GOOD:
            return self._only_with_others(found)
        if self.runner.narrow(found, self._worst_end()):
            return self._by_what_changed(found, good, bad, installed)
        return self._without(found)

    def _worst_end(self) -> Trial:
        known = self.line.search.known.items()
        return self.line.at(max(at for at, outcome in known if outcome is Outcome.BAD))

    def _by_what_changed(
        self, failing: Trial, good: str | None, bad: str | None, installed: str | None
    ) -> Answer:
        """Both ends show something, and not the same: by the cases that hold at one of them."""
        cases = sorted(self.runner.question.among)
        others = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        said = (
            f"{shown(failing.pins)} shows something already; "
            f"traced by what does not fail there: {cases[0]}{others}."
        )
        again = replace(self, line=self.line.again())
        return _with(again.explain(good or failing.pins[self.line.package], bad, installed), said)

    def _separated(self, answer: Answer) -> Answer:
        """The two sides of an answer have different companions: which of the two moves did it?"""
        assert answer.good is not None and answer.bad is not None
        package = self.line.package
        good_pins, bad_pins = answer.good.without(package), answer.bad.without(package)
        note = f"The companions could not be held: {_moves(good_pins, bad_pins)}."
        crossings = (answer.bad, good_pins, Outcome.BAD), (answer.good, bad_pins, Outcome.GOOD)
        for side, companions, alone in crossings:
            release = side.pins[package]
            crossed = self.runner.trial({package: release, **companions})
            if crossed.outcome is alone:
                return _with(answer, note, f"With {shown(companions)} held it is the same.")
            if crossed.outcome is not Outcome.UNKNOWN:
                return _with(self._partner(release, good_pins, bad_pins) or answer, note)
        return _with(answer, note, f"Whether {package} or they brought it cannot be told apart.")

    def _only_with_others(self, conforming: Trial) -> Answer:
        """The end given as bad is good as asked: does it show with the companions of its time?"""
        package = self.line.package
        release, good_pins = conforming.pins[package], conforming.without(package)
        bad_pins = {**good_pins, **self.fitting(package, release)}
        bad_pins.pop(package, None)
        shows = self.runner.trial({package: release, **bad_pins})
        if shows.outcome is not Outcome.BAD:
            return Answer(
                (f"{shown(conforming.pins)} does not show it, nor does {shown(shows.pins)}.",)
            )
        said = f"{package} {release} shows it with companions of its time alone."
        found = self._partner(release, good_pins, bad_pins)
        return _with(found, said) if found else Answer((said,))

    def _without(self, failing: Trial) -> Answer:
        """Every release shows it: a companion may have brought it, moved back alone or all."""
        package = self.line.package
        said = f"{package} alone does not explain it: {shown(failing.pins)} shows it already."
        good_pins = {**failing.without(package), **self.fitting(package, failing.pins[package])}
        good_pins.pop(package, None)
        oldest = self.runner.trial({package: failing.pins[package], **good_pins})
        if oldest.outcome is Outcome.BAD and oldest is not failing:
            return Answer((said, f"So does {shown(oldest.pins)}: it is older than all of these."))
        newest = max(self.runner.trials, key=lambda each: _release(each, package))
        for name in self._moving(newest):
            found = self._along(name, newest)
            if found is not None:
                return _with(found, said)
        if oldest.outcome is not Outcome.GOOD:
            return Answer((said, "No companion that can be judged, moved back alone, conforms."))
        return _with(self._all_together(oldest), said)

    def _along(self, companion: str, fixed: Trial) -> Answer | None:
        """Bisect a companion's releases up to the one in ``fixed``, all else as there."""
        version = fixed.pins[companion]
        releases = [each for each in self.offered(companion) if Version(each) <= Version(version)]
        if version not in releases:
            return None
        line = Line(companion, releases, fixed.without(companion), self.runner, patience=_PATIENCE)
        found = bisect(line, None, version, None)
        return found if isinstance(found, Answer) and found.answered else None

    def _all_together(self, oldest: Trial) -> Answer:
        """No companion alone: the package once more, with the companions of the oldest's time."""
        package = self.line.package
        good_pins = oldest.without(package)
        line = Line(package, self.line.releases, good_pins, self.runner, self.fitting)
        found = bisect(line, oldest.pins[package], None, None)
        both = f"It takes all of them moved back to conform; with {shown(good_pins)}:"
        if not isinstance(found, Answer):
            return Answer((f"{both} nothing can be named.",))
        return _with(found, both)

    def _partner(self, release: str, good_pins: Pins, bad_pins: Pins) -> Answer | None:
        """The companion that, moved beside the package, brings it; and which release of it."""
        package = self.line.package
        fixed = {package: release}
        for name in (
            name for name in good_pins if bad_pins.get(name, good_pins[name]) != good_pins[name]
        ):
            rest = {**fixed, **{other: good_pins[other] for other in good_pins if other != name}}
            if self.runner.trial({**rest, name: bad_pins[name]}).outcome is not Outcome.BAD:
                continue
            ends = sorted((good_pins[name], bad_pins[name]), key=Version)
            releases = _between(self.offered(name), *ends)
            if ends[0] != good_pins[name]:
                releases.reverse()
            found = bisect(
                Line(name, releases, rest, self.runner), good_pins[name], bad_pins[name], None
            )
            if isinstance(found, Answer) and found.answered:
                return _with(found, f"It shows in a pair, {package} {release} and a {name}:")
        return None

    def _moving(self, trial: Trial) -> list[str]:
        return [name for name in trial.pins if name != self.line.package]


def _between(offered: Sequence[str], oldest: str, newest: str) -> list[str]:
    low, high = Version(oldest), Version(newest)
    return [each for each in offered if low <= Version(each) <= high]


def _release(trial: Trial, package: str) -> Version:
    """For the newest bad one first: those that show nothing sort lowest."""
    shows = trial.outcome is Outcome.BAD and package in trial.pins
    return Version(trial.pins[package]) if shows else Version("0")


def _with(answer: Answer, *before: str) -> Answer:
    return Answer((*before, *answer.sentences), answer.good, answer.bad)


def _moves(good_pins: Pins, bad_pins: Pins) -> str:
    changed = [name for name in good_pins if bad_pins.get(name) != good_pins[name]]
    return ", ".join(f"{name} {good_pins[name]} → {bad_pins.get(name, 'none')}" for name in changed)
