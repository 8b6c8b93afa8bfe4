"""Which of the shipped deviations are listed for a case, and which explain what it showed."""

import pytest

from conformance import device
from conformance.deviations import matching
from conformance.deviations.matching import CaseKey, Symptom, explaining, listed, load, preventing
from conformance.scenarios import Scenario

SHIPPED = load()
NATIVE = Scenario(injection="add_adapter", save="steps", accumulation=2)
RESUMED = CaseKey("resume.path", "test_path", Scenario(injection="add_adapter", save="steps"))
KNOWN = next(deviation for deviation in SHIPPED if deviation.id == "native-resume")


def test_listed_is_about_the_versions_given() -> None:
    assert KNOWN in listed(RESUMED, {"transformers": "5.23.0"})
    assert KNOWN not in listed(RESUMED, {"transformers": "99.0"})
    assert listed(RESUMED, {}) == ()


def test_explaining_wants_a_listed_case_and_its_symptom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "installed_versions", lambda: {"transformers": "5.23.0"})
    shown = Symptom("ValueError", "Can't find a checkpoint index in checkpoint-2", "train")
    assert explaining(RESUMED, shown) == KNOWN
    assert explaining(RESUMED, Symptom("ValueError", "out of range", "train")) is None
    wrapped = CaseKey("resume.path", "test_path", Scenario(save="steps"))
    assert explaining(wrapped, shown) is None


def test_none_is_listed_where_they_are_not_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_heeded", True)
    matching.heed(False)
    assert listed(RESUMED, {"transformers": "5.23.0"}) == ()
    matching.heed(True)
    assert KNOWN in listed(RESUMED, {"transformers": "5.23.0"})


def test_preventing_wants_scenarios_that_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test does to a checkpoint is no reason to pass over others that find it damaged."""
    stack = {"transformers": "5.23.0", "peft": "0.21.2"}
    monkeypatch.setattr(matching, "installed_versions", lambda: stack)
    index = Symptom("ValueError", "Can't find a checkpoint index in checkpoint-2", "train")
    assert preventing(CaseKey("frozen.no-gradient", "test_path", NATIVE), index) == KNOWN
    killed = next(deviation for deviation in SHIPPED if deviation.id == "half-written-checkpoint")
    missing = Symptom("ValueError", "Can't find a valid checkpoint at checkpoint-2", "train")
    assert any(showing.shows(missing) for showing in killed.showings)
    assert preventing(RESUMED, missing) is None


def test_a_deviation_of_a_cpu_is_not_looked_for_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each clause that holds there would be reported as one that got fixed."""
    asked = CaseKey("precision.fp16-on-cpu", "test_fp16_on_cpu", Scenario())
    stack = {"transformers": "5.23.0", "accelerate": "1.15.0"}
    for name, expected in ((device.CPU, ["fp16-on-cpu"]), (device.CUDA, [])):
        monkeypatch.setattr(device, "chosen", lambda name=name: name)
        assert [deviation.id for deviation in listed(asked, stack)] == expected
