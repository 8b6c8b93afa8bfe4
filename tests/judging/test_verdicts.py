"""What a test raises becomes the right verdict."""

import pytest

from conformance.compat import Unavailable
from conformance.deviations import CaseKey
from conformance.judging import Violation
from conformance.running.observation import Failure, TrainingFailed
from conformance.scenarios import Injection, Scenario
from conformance.verdicts import judge

PLAIN = CaseKey("frozen.bit-identical", "test_bit_identical", Scenario())
NATIVE = CaseKey("resume.path", "test_path", Scenario(injection=Injection.NATIVE, save="steps"))


def failed(phase: str, kind: str, message: str) -> TrainingFailed:
    return TrainingFailed(Scenario(), Failure(phase, kind, message))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, "pass"),
        (Violation("x", 1, 2), "fail"),
        (Unavailable("no such argument"), "not-run"),
        (failed("train", "KeyError", "x"), "fail"),
        (failed("inject", "KeyError", "x"), "not-run"),
        (pytest.fail.Exception("Timeout (>5s) from pytest-timeout."), "timeout"),
    ],
)
def test_verdict(error: BaseException | None, verdict: str) -> None:
    assert judge(PLAIN, error)[0] == verdict


def test_an_adapter_that_never_got_in_is_injections_to_report() -> None:
    key = CaseKey("injection.get-peft-model", "test_get_peft_model", Scenario())
    assert judge(key, failed("inject", "KeyError", "x"))[0] == "fail"


def test_our_own_mistake_is_an_error() -> None:
    from conformance.deviations.matching import load

    with pytest.raises(AttributeError) as caught:
        load(None)  # type: ignore[arg-type]
    assert judge(PLAIN, caught.value)[0] == "error"


def test_a_listed_deviation_matches_by_its_symptom_alone() -> None:
    listed = failed("train", "ValueError", "Can't find a checkpoint index (x) in y")
    other = failed("train", "ValueError", "something else")
    assert judge(NATIVE, listed)[::2] == ("deviation", "native-resume")
    assert judge(NATIVE, other)[0] == "fail"
    assert judge(NATIVE, None)[::2] == ("fixed", "native-resume")
