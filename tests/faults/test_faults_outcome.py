"""What a fault came to, from hand-made answers."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from conformance.controls.job import Answer, Ending, Job
from conformance.controls.outcome import Kind, Outcome, control, outcome
from conformance.faults import registry
from conformance.records import Case, Verdict

FROZEN, EPOCH, OTHER = "frozen.bit-identical", "output.epoch", "output.global-step"


def case(clause: str, verdict: str, name: str = "test_x") -> Case:
    return Case(name, clause, {}, Verdict(verdict), message=f"{verdict} said\nmore")


def judged(
    without: str, *verdicts: str, ending: Ending = Ending.DONE, message: str = ""
) -> Outcome:
    unplanted = {(FROZEN, "test_x"): Verdict(without)}
    cases = tuple(case(FROZEN, verdict) for verdict in verdicts)
    return outcome("x", FROZEN, Answer(cases, ending=ending, message=message), unplanted, False)


@pytest.mark.parametrize("without", ["pass", "deviation", "fixed"])
def test_a_failure_catches(without: str) -> None:
    found = judged(without, "pass", "fail")
    assert (found.kind, found.message, found.case) == (Kind.CAUGHT, "fail said", "test_x")
    assert (found.judged, found.seen, found.red) == (2, None, None)


@pytest.mark.parametrize(
    ("without", "verdicts", "kind", "says"),
    [
        ("pass", ("pass", "deviation"), Kind.SURVIVED, "no case failed: 1 pass, 1 deviation"),
        ("pass", (), Kind.SURVIVED, "no case failed: none was judged"),
        ("fail", ("fail",), Kind.UNFIT, "the clause is red with nothing planted"),
        ("error", ("fail",), Kind.UNFIT, "the clause is red with nothing planted"),
        ("not-run", ("fail",), Kind.NOT_RUN, "the clause is not judged here with nothing planted"),
        ("pass", ("timeout",), Kind.NO_VERDICT, "timeout: timeout said"),
        ("pass", ("error",), Kind.NO_VERDICT, "error: error said"),
        ("pass", ("crash",), Kind.NO_VERDICT, "crash: crash said"),
    ],
)
def test_nothing_else_does(without: str, verdicts: tuple[str, ...], kind: Kind, says: str) -> None:
    found = judged(without, *verdicts)
    assert (found.kind, found.message, found.case) == (kind, says, "")
    assert found.kind.wrong == (kind is not Kind.NOT_RUN)


@pytest.mark.parametrize("ending", [Ending.LATE, Ending.CRASHED, Ending.FAILED])
def test_a_process_that_does_not_finish_catches_nothing(ending: Ending) -> None:
    found = judged("pass", "fail", ending=ending, message="died")
    assert (found.kind, found.message) == (Kind.NO_VERDICT, "died")


@pytest.mark.parametrize(
    ("file", "kind"), [(registry.__file__, Kind.NO_VERDICT), ("/x/trainer.py", Kind.CAUGHT)]
)
def test_an_error_of_the_planted_code_catches_nothing(file: str, kind: Kind) -> None:
    frames = ["conftest.py", registry.__file__, file]
    text = "".join(f'  File "{each}", line 3, in x\n    y()\n' for each in frames)
    failed = replace(case(FROZEN, "fail"), message=f"KeyError in phase train\n{text}KeyError: 'y'")
    unplanted = {(FROZEN, "test_x"): Verdict.PASS}
    assert outcome("x", FROZEN, Answer((failed,)), unplanted, False).kind is kind


def test_a_clause_without_a_test_catches_nothing() -> None:
    found = outcome("x", FROZEN, Answer(), {}, False)
    assert (found.kind, found.message) == (Kind.SURVIVED, "no test judges the clause")


def test_a_control_that_does_not_finish_makes_its_clauses_unfit() -> None:
    late = Answer((case(FROZEN, "pass"),), ending=Ending.LATE, message="no verdict")
    unplanted = control([(Job("", (FROZEN,)), late)])
    assert outcome("x", FROZEN, Answer(), unplanted, False).kind is Kind.UNFIT


def others(without: Mapping[str, str], planted: Mapping[str, str]) -> Outcome:
    cases = tuple(case(name, verdict) for name, verdict in without.items())
    unplanted = control([(Job("", tuple(without)), Answer(cases))])
    answer = Answer((case(FROZEN, "fail"),), tuple(case(n, v) for n, v in planted.items()))
    return outcome("x", FROZEN, answer, unplanted, True)


def test_the_matrix_names_what_turned_red() -> None:
    green = {FROZEN: "pass", EPOCH: "deviation", OTHER: "pass"}
    found = others(green, {EPOCH: "fail", OTHER: "pass"})
    assert (found.seen, found.red) == ((EPOCH, OTHER), (EPOCH,))
    assert others(green, {EPOCH: "timeout"}).red == (EPOCH,)
    assert others(green, {EPOCH: "error"}).red == ()


def test_what_is_red_or_not_judged_without_the_fault_has_no_say() -> None:
    found = others(
        {FROZEN: "pass", EPOCH: "fail", OTHER: "not-run"}, {EPOCH: "fail", OTHER: "fail"}
    )
    assert (found.kind, found.seen, found.red) == (Kind.CAUGHT, (), ())


def test_jobs_answers_and_outcomes_survive_json() -> None:
    job = Job("x", (FROZEN, EPOCH), True, 3.0)
    assert Job.from_json(job.to_json()) == job
    answer = Answer((case(FROZEN, "fail"),), (), Ending.LATE, "late", "cut", 1.5)
    assert Answer.from_json(answer.to_json()) == answer
    for found in (judged("pass", "fail"), others({FROZEN: "pass"}, {})):
        assert Outcome.from_json(found.to_json()) == found
