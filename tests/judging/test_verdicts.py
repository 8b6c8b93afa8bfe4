"""What a test raises becomes the right verdict."""

import shlex
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import just

from conformance import verdicts
from conformance.compat import Unavailable
from conformance.deviations import CaseKey, matching
from conformance.judging import Violation
from conformance.running import build
from conformance.running.observation import Failure, TrainingFailed
from conformance.scenarios import Injection, Scenario
from conformance.verdicts import Tolerance, judge

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


def test_an_adapter_that_a_test_puts_in_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is injection's to report where the scenario's own adapter meets the same error."""
    with pytest.raises(ValueError, match="positive integer") as of_the_test:
        build.injected(NATIVE.scenario, r=0)
    assert judge(NATIVE, of_the_test.value)[0] == "fail"
    monkeypatch.setattr("transformers.integrations.peft.MIN_PEFT_VERSION", "99.0")
    with pytest.raises(ValueError, match=r">= 99\.0") as of_any:
        build.injected(NATIVE.scenario)
    verdict, message, _ = judge(NATIVE, of_any.value)
    assert (verdict, "no adapter got in" in message) == ("not-run", True)
    telling = CaseKey("injection.add-adapter", "test_add_adapter", NATIVE.scenario)
    assert judge(telling, of_any.value)[0] == "fail"


def test_a_base_that_no_other_clause_quantizes_is_reported_where_it_is_judged() -> None:
    base = Scenario(quantization="quanto-int8")
    key = CaseKey("quantized.other-methods", "test_other_methods", base)
    assert judge(key, failed("build", "ImportError", "no such library"))[0] == "fail"


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


def test_generated_scenarios_that_can_all_not_be_had():
    """They are not run, with the reason of the last one; without any reason it is a failure."""
    tolerance = Tolerance("callbacks.early-stopping", "test_stops_generated")

    @settings(database=None, suppress_health_check=list(HealthCheck))
    @given(scenario=just(Scenario()))
    def generated(scenario):
        with tolerance(scenario):
            raise Unavailable("no such thing")

    with pytest.raises(Unsatisfiable) as caught:
        generated()
    item = SimpleNamespace(funcargs={"tolerating": tolerance})
    rejected = verdicts._all_rejected(item, caught.value)
    assert isinstance(rejected, Unavailable)
    assert str(rejected) == "no such thing"
    unexplained = SimpleNamespace(funcargs={"tolerating": Tolerance("a", "b")})
    assert verdicts._all_rejected(unexplained, caught.value) is caught.value
    assert verdicts._all_rejected(SimpleNamespace(), None) is None


def test_a_deviation_of_other_releases_is_a_failure_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Strict, but told apart from what nobody knows: comparisons rely on the deviation's name."""
    listed = failed("train", "ValueError", "Can't find a checkpoint index (x) in y")
    newer = {"transformers": "99.0", "peft": "99.0", "accelerate": "99.0"}
    monkeypatch.setattr(matching, "installed_versions", lambda: newer)
    verdict, message, deviation = judge(NATIVE, listed)
    assert (verdict, deviation) == ("fail", "native-resume")
    assert "the known deviation native-resume shows, which is listed for transformers" in message
    assert judge(NATIVE, failed("train", "ValueError", "something else"))[2] == ""
    assert judge(NATIVE, None)[0] == "pass"


def test_a_trainer_is_one_word_of_the_command_that_runs_a_case_again() -> None:
    options = {"--conformance-trainer": "own:T; touch x", "--conformance-device": "cpu"}
    item = SimpleNamespace(
        name="test_x[y]",
        originalname="test_x",
        module=SimpleNamespace(__name__="suite.test_x"),
        config=SimpleNamespace(getoption=options.get),
    )
    command = verdicts.reproducer(item, None)  # type: ignore[arg-type]
    assert shlex.split(command)[-2:] == ["--conformance-trainer", "own:T; touch x"]
