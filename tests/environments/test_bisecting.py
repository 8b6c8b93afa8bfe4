"""Bisections over hand-made worlds: a function says which combinations show the defect."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.environments.bisecting import Answer, Line
from conformance.environments.matrixfile import Row
from conformance.environments.pairs import Pairs
from conformance.environments.search import Outcome
from conformance.environments.stack_folder import State
from conformance.environments.trials import Question, TrialRunner
from conformance.records import Case, ClauseResult, Record, Verdict, write

CLAUSE = "frozen.bit-identical"
RELEASES = ("4.45.0", "4.48.0", "4.50.0", "4.57.0", "5.0.0", "5.1.0", "5.2.0", "5.3.0")
PEFTS = ("0.13.0", "0.14.0", "0.17.0", "0.18.0", "0.19.0")
World = Callable[[float, float], Verdict | None]


def number(version: str) -> float:
    """``5.10.2`` as 5.10, which is enough to compare by here."""
    return float(".".join(version.split(".")[:2]))


class Bench:
    """Judges by a world: the verdict at (transformers, peft), `None` where they do not install."""

    def __init__(self, world: World, record: Record, folder: Path) -> None:
        self.world = world
        self.record = record
        self.runner = TrialRunner(Question(CLAUSE), folder, self.judge, lambda _: None)

    def judge(self, row: Row, place: Path) -> State:
        pins = dict(spec.split("==") for spec in row.specs)
        verdict = self.world(number(pins["transformers"]), number(pins["peft"]))
        if verdict is None:
            return State(row.index, row.name, row.specs, reason="they do not go together")
        case = Case("one", CLAUSE, {}, verdict, message=f"{verdict} as made")
        clause = ClauseResult(CLAUSE, "frozen", "MUST", verdict, "", (case,))
        write(replace(self.record, clauses=(clause,)), place)
        return State(row.index, row.name, row.specs, seconds=1.0)

    def answer(
        self,
        good: str | None = None,
        bad: str | None = None,
        *,
        fits: Mapping[str, str] | None = None,
        installed: str | None = None,
        releases: tuple[str, ...] = RELEASES,
    ) -> Answer:
        def fitting(package: str, release: str) -> dict[str, str]:
            return {"peft": (fits or {}).get(release, "0.19.0")} if package != "peft" else {}

        line = Line("transformers", releases, {"peft": "0.19.0"}, self.runner, fitting)
        offered = {"peft": PEFTS, "transformers": RELEASES}
        return Pairs(line, lambda name: offered[name], fitting).explain(good, bad, installed)


@pytest.fixture
def bench(record: Record, tmp_path: Path) -> Callable[[World], Bench]:
    return lambda world: Bench(world, record, tmp_path)


def since(first: float, shows: Verdict = Verdict.FAIL) -> World:
    return lambda transformers, _: shows if transformers >= first else Verdict.PASS


FIRST = "transformers 5.0.0 is the first release that shows it; 4.57.0 does not."


@pytest.mark.parametrize(
    "ends",
    [(None, None), ("4.45.0", "5.3.0"), ("4.57.0", None), (None, "5.0.0"), ("4.57.0", "5.0.0")],
)
def test_the_first_release_is_named(bench: Callable[[World], Bench], ends: tuple[str, str]) -> None:
    answer = bench(since(5.0)).answer(*ends)
    assert answer.sentences == (FIRST,)
    assert answer.good is not None and answer.bad is not None
    assert answer.good.pins == {"transformers": "4.57.0", "peft": "0.19.0"}
    assert (answer.bad.verdict, answer.bad.reason) == ("fail", "fail as made")


@pytest.mark.parametrize("shows", [Verdict.DEVIATION, Verdict.CRASH, Verdict.TIMEOUT])
def test_whatever_shows_a_defect_counts(bench: Callable[[World], Bench], shows: Verdict) -> None:
    assert bench(since(5.0, shows)).answer().sentences == (FIRST,)


def test_what_was_fixed_is_traced_to_the_last_release_that_shows_it(
    bench: Callable[[World], Bench],
) -> None:
    def until_five(transformers: float, _: float) -> Verdict:
        return Verdict.FAIL if transformers < 5 else Verdict.PASS

    line = tuple(reversed(RELEASES))
    answer = bench(until_five).answer("5.3.0", "4.45.0", releases=line)
    assert answer.sentences == (
        "transformers 4.57.0 is the last release that shows it; 5.0.0 does not.",
    )


def test_releases_that_do_not_install_are_named(bench: Callable[[World], Bench]) -> None:
    def world(transformers: float, _: float) -> Verdict | None:
        return None if transformers == 5.0 else since(5.1)(transformers, 0)

    answer = bench(world).answer()
    assert answer.sentences == (
        "It may also be one of those that cannot be judged: 5.0.0.",
        "transformers 5.1.0 is the first release that shows it; 4.57.0 does not.",
    )


def test_what_a_release_is_not_judged_by_is_no_verdict(bench: Callable[[World], Bench]) -> None:
    def world(transformers: float, _: float) -> Verdict:
        return Verdict.NOT_RUN if transformers < 4.51 else since(5.0)(transformers, 0)

    tried = bench(world)
    assert tried.answer().sentences == (FIRST,)
    assert tried.answer("4.45.0").sentences[0].startswith("Cannot tell: transformers 4.45.0")


def test_the_installed_release_is_where_it_starts(bench: Callable[[World], Bench]) -> None:
    tried = bench(since(4.5))
    assert tried.answer(installed="4.57.0").answered
    assert max(trial.pins["transformers"] for trial in tried.runner.trials) == "4.57.0"


def test_nothing_shows_it(bench: Callable[[World], Bench]) -> None:
    answer = bench(since(6.0)).answer()
    assert not answer.answered
    assert answer.sentences == ("No release of transformers that can be judged shows it.",)


def test_nothing_can_be_judged(bench: Callable[[World], Bench]) -> None:
    assert not bench(lambda *_: None).answer().answered


def test_each_change_is_seen_when_every_release_is_judged(bench: Callable[[World], Bench]) -> None:
    def world(transformers: float, _: float) -> Verdict:
        return Verdict.FAIL if transformers in (4.48, 5.1, 5.2, 5.3) else Verdict.PASS

    tried = bench(world)
    line = Line("transformers", RELEASES, {"peft": "0.19.0"}, tried.runner)
    line.every()
    answer = Pairs(line, lambda _: PEFTS, lambda *_: {}).explain(None, None, None)
    assert answer.sentences == (
        "It changes more than once, this is one of the changes; also: 4.48.0 bad.",
        "transformers 5.1.0 is the first release that shows it; 5.0.0 does not.",
    )


def test_what_always_shows_does_not_hide_what_came(record: Record, tmp_path: Path) -> None:
    """Two cases: one fails everywhere, one since 5.0.0."""

    class Two(Bench):
        def judge(self, row: Row, place: Path) -> State:
            pins = dict(spec.split("==") for spec in row.specs)
            verdict = self.world(number(pins["transformers"]), 0)
            cases = (
                Case("always", CLAUSE, {}, Verdict.DEVIATION),
                Case("new", CLAUSE, {}, verdict or Verdict.NOT_RUN),
            )
            clause = ClauseResult(CLAUSE, "frozen", "MUST", Verdict.FAIL, "", cases)
            write(replace(self.record, clauses=(clause,)), place)
            return State(row.index, row.name, row.specs, seconds=1.0)

    for ends in ((None, None), ("4.45.0", "5.3.0")):
        tried = Two(since(5.0), record, tmp_path)
        answer = tried.answer(*ends)
        assert answer.sentences == (
            "transformers 4.45.0, peft 0.19.0 shows something already; traced by what does not "
            "fail there: new.",
            FIRST,
        )
        assert tried.runner.question.among == {"new"}


# ---- companions -----------------------------------------------------------------------------

OLD = {"4.45.0": "0.13.0", "4.48.0": "0.13.0", "4.50.0": "0.14.0", "4.57.0": "0.17.0"}


def apart(world: World) -> World:
    """Releases before 5 do not go with peft from 0.18 on."""
    return lambda t, p: None if t < 5 and p >= 0.18 else world(t, p)


def test_companions_that_cannot_be_held_are_told_and_ruled_out(
    bench: Callable[[World], Bench],
) -> None:
    answer = bench(apart(since(5.0))).answer(fits=OLD)
    assert answer.sentences == (
        "The companions could not be held: peft 0.17.0 → 0.19.0.",
        "With peft 0.17.0 held it is the same.",
        FIRST,
    )


def test_a_pair_that_shows_it_together_alone(bench: Callable[[World], Bench]) -> None:
    def together(transformers: float, peft: float) -> Verdict:
        return Verdict.FAIL if transformers >= 5 and peft >= 0.18 else Verdict.PASS

    answer = bench(apart(together)).answer(fits=OLD)
    assert answer.sentences == (
        "The companions could not be held: peft 0.17.0 → 0.19.0.",
        "It shows in a pair, transformers 5.0.0 and a peft:",
        "peft 0.18.0 is the first release that shows it; 0.17.0 does not.",
    )
    assert answer.bad is not None
    assert answer.bad.pins == {"transformers": "5.0.0", "peft": "0.18.0"}


def test_a_companion_alone(bench: Callable[[World], Bench]) -> None:
    def of_peft(_: float, peft: float) -> Verdict:
        return Verdict.FAIL if peft >= 0.17 else Verdict.PASS

    answer = bench(of_peft).answer()
    assert answer.sentences == (
        "transformers alone does not explain it: transformers 4.45.0, peft 0.19.0 shows it "
        "already.",
        "peft 0.17.0 is the first release that shows it; 0.14.0 does not.",
    )


def test_either_of_two_is_enough(bench: Callable[[World], Bench]) -> None:
    def either(transformers: float, peft: float) -> Verdict:
        return Verdict.FAIL if transformers >= 5 or peft >= 0.17 else Verdict.PASS

    answer = bench(either).answer(fits={"4.45.0": "0.13.0"})
    assert answer.sentences[1:] == (
        "It takes all of them moved back to conform; with peft 0.13.0:",
        FIRST,
    )


def test_what_was_always_so(bench: Callable[[World], Bench]) -> None:
    tried = bench(lambda *_: Verdict.FAIL)
    answer = tried.answer(fits=OLD)
    assert not answer.answered
    assert answer.sentences[1] == (
        "So does transformers 4.45.0, peft 0.13.0: it is older than all of these."
    )
    assert [trial.pins["peft"] for trial in tried.runner.trials].count("0.19.0") == (
        len(tried.runner.trials) - 1
    )


def test_a_release_that_shows_it_with_the_companions_of_its_time_alone(
    bench: Callable[[World], Bench],
) -> None:
    def fixed_in_peft(_: float, peft: float) -> Verdict:
        return Verdict.FAIL if peft < 0.17 else Verdict.PASS

    answer = bench(fixed_in_peft).answer(bad="5.0.0", fits={"5.0.0": "0.13.0"})
    assert answer.sentences == (
        "transformers 5.0.0 shows it with companions of its time alone.",
        "It shows in a pair, transformers 5.0.0 and a peft:",
        "peft 0.14.0 is the last release that shows it; 0.17.0 does not.",
    )


# ---- what a record says ---------------------------------------------------------------------


def test_the_floor_of_a_profile_is_no_defect(record: Record) -> None:
    case = Case("one", CLAUSE, {}, Verdict.PASS)
    clause = ClauseResult(CLAUSE, "frozen", "MUST", Verdict.FAIL, "1 case, floor 9", (case,))
    found = Question(CLAUSE).answer(replace(record, clauses=(clause,)))
    assert found[:2] == (Outcome.GOOD, Verdict.PASS)


def test_some_cases_alone_can_count(record: Record) -> None:
    cases = tuple(Case(v.value, CLAUSE, {}, v) for v in (Verdict.PASS, Verdict.FAIL))
    clause = ClauseResult(CLAUSE, "frozen", "MUST", Verdict.FAIL, "", cases)
    judged = replace(record, clauses=(clause,))
    outcomes = [Question(CLAUSE, case).answer(judged)[0] for case in ("", "pa", "fail", "none")]
    assert outcomes == [Outcome.BAD, Outcome.GOOD, Outcome.BAD, Outcome.UNKNOWN]
