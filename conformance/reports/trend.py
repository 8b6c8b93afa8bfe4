"""A history seen as trends: when a clause turned, and how what was measured drifts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from packaging.version import InvalidVersion, Version

from conformance.records import Verdict, worse
from conformance.records.history import History, Snapshot, Spread

_LEADING = ("transformers", "peft", "accelerate", "torch")
_STILL = 1e-3


class Order(str, Enum):
    """What a history runs along."""

    RELEASE = "release"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Turn:
    """A clause's verdict that changed between two records in which it was judged."""

    clause: str
    level: str
    before: Verdict
    after: Verdict
    earlier: Snapshot
    later: Snapshot

    @property
    def worse(self) -> bool:
        """Whether it lost something."""
        return worse(self.before, self.after)

    @property
    def moved(self) -> Mapping[str, tuple[str, str]]:
        """What differs between the two stacks, as in a comparison."""
        old, new = (_flat(each) for each in (self.earlier, self.later))
        names = dict.fromkeys((*new, *old))
        both = {name: (old.get(name, ""), new.get(name, "")) for name in names}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class Drift:
    """One number over the records that measured it, at least two."""

    clause: str
    name: str
    spreads: tuple[Spread, ...]

    @property
    def change(self) -> float:
        """How far the median, or else the largest, went from first to last: -2 … 2, 0 is still.

        The difference is divided by the larger magnitude of the two.
        """
        first, last = self.spreads[0], self.spreads[-1]
        changes = (_relative(first.median, last.median), _relative(first.largest, last.largest))
        return max(changes, key=abs)


@dataclass(frozen=True)
class Trend:
    """The comparable records of a history (one Trainer, profile and device or card), in order."""

    trainer: str
    profile: str
    device: str
    snapshots: tuple[Snapshot, ...]

    @cached_property
    def turns(self) -> Mapping[str, tuple[Turn, ...]]:
        """Each clause that ever turned with its turns; what is worse now first, MUST first.

        Records in which a clause was not run are passed over.
        """
        found: dict[str, list[Turn]] = defaultdict(list)
        last: dict[str, Snapshot] = {}
        for each in self.snapshots:
            for clause, verdict in each.verdicts.items():
                if verdict is Verdict.NOT_RUN:
                    continue
                known = last.get(clause)
                last[clause] = each
                if known is not None and known.verdicts[clause] is not verdict:
                    before, level = known.verdicts[clause], each.levels[clause]
                    found[clause].append(Turn(clause, level, before, verdict, known, each))
        ordered = sorted(found.items(), key=lambda item: _gravity(item[1][-1]))
        return {clause: tuple(turns) for clause, turns in ordered}

    @cached_property
    def drifts(self) -> tuple[Drift, ...]:
        """Every number that two records or more measured, those that moved furthest first."""
        found: dict[tuple[str, str], list[Spread]] = defaultdict(list)
        for each in self.snapshots:
            for key, spread in each.spreads.items():
                found[key].append(spread)
        drifts = (Drift(*key, tuple(spreads)) for key, spreads in found.items() if spreads[1:])
        return tuple(sorted(drifts, key=lambda drift: -abs(drift.change)))

    @property
    def moving(self) -> tuple[Drift, ...]:
        """The numbers that moved by a thousandth or more."""
        return tuple(drift for drift in self.drifts if abs(drift.change) >= _STILL)

    @property
    def ends(self) -> tuple[str, str]:
        """The releases and the day of the first record and of the last."""
        first, last = self.snapshots[0], self.snapshots[-1]
        return _end(first), _end(last)

    def history(self, clause: str) -> tuple[tuple[Verdict, int], ...]:
        """The clause's verdicts in order, each with how many records in a row gave it."""
        runs: list[tuple[Verdict, int]] = []
        for each in self.snapshots:
            verdict = each.verdicts.get(clause, Verdict.NOT_RUN)
            if runs and runs[-1][0] is verdict:
                runs[-1] = (verdict, runs[-1][1] + 1)
            else:
                runs.append((verdict, 1))
        return tuple(runs)


@dataclass(frozen=True)
class Histories:
    """All trends of a folder, those of most records first, and the files that were skipped."""

    trends: tuple[Trend, ...]
    skipped: Mapping[str, str]
    order: Order

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(len(trend.snapshots) for trend in self.trends)

    def of(self, trainer: str, profile: str, device: str) -> Trend | None:
        """The trend that a record with these belongs to."""
        wanted = (trainer, profile, device)
        return next((t for t in self.trends if (t.trainer, t.profile, t.device) == wanted), None)


def histories(history: History, order: Order = Order.RELEASE) -> Histories:
    """The trends of a history; only records of one Trainer, profile and device or card compare."""
    found: dict[tuple[str, str, str], list[Snapshot]] = defaultdict(list)
    for each in history.snapshots:
        found[each.trainer, each.profile, each.machine].append(each)
    trends = [Trend(*key, tuple(_ordered(each, order))) for key, each in found.items()]
    by_size = sorted(trends, key=lambda trend: -len(trend.snapshots))
    return Histories(tuple(by_size), history.skipped, order)


def release(snapshot: Snapshot) -> str:
    """The releases a record is known by, in few words."""
    packages = snapshot.stack.packages
    return ", ".join(f"{name} {packages[name]}" for name in _LEADING[:2] if name in packages)


def _end(snapshot: Snapshot) -> str:
    return f"{release(snapshot)} ({snapshot.started[:10]})"


def since(turn: Turn) -> str:
    """Where a clause turned and what moved there, in a sentence's end."""
    moved = ", ".join(
        f"{name} {old or 'none'} → {new or 'none'}" for name, (old, new) in _few(turn)
    )
    return f"{turn.later.started[:10]}, {moved or 'with nothing in the stack moved'}"


def _few(turn: Turn) -> Iterable[tuple[str, tuple[str, str]]]:
    """The leading packages that moved, or else whatever did."""
    moved = turn.moved
    leading = {name: moved[name] for name in _LEADING if name in moved}
    return (leading or dict(list(moved.items())[:4])).items()


def _ordered(snapshots: Iterable[Snapshot], order: Order) -> Iterator[Snapshot]:
    def key(each: Snapshot) -> tuple[object, ...]:
        versions = (_version(each.stack.packages.get(name, "")) for name in _LEADING)
        return (*(versions if order is Order.RELEASE else ()), each.started, each.place)

    return iter(sorted(snapshots, key=key))


def _version(text: str) -> tuple[bool, Version, str]:
    """Sorts as releases do; what is no version comes first."""
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, Version("0"), text


def _gravity(turn: Turn) -> tuple[bool, bool, str]:
    return not turn.worse, turn.level != "MUST", turn.clause


def _relative(first: float, last: float) -> float:
    largest = max(abs(first), abs(last))
    return (last - first) / largest if largest else 0.0


def _flat(snapshot: Snapshot) -> Mapping[str, str]:
    stack = snapshot.stack
    return {**stack.packages, "python": stack.python, "platform": stack.platform}
