"""Trainings by scenario: what is handed back of those that fail."""

from pathlib import Path

import pytest
from transformers import Trainer

from conformance.running.observation import TrainingFailed
from conformance.running.runs import Runs
from conformance.scenarios import Injection, Scenario

NATIVE = Scenario(injection=Injection.NATIVE)


def test_a_failed_training_is_handed_back_if_an_adapter_got_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = Runs(Trainer, tmp_path)
    failed = runs.resume_from(NATIVE, str(tmp_path / "gone"), tmp_path)
    assert failed.failure is not None and failed.failure.phase == "train"
    monkeypatch.setattr("transformers.integrations.peft.MIN_PEFT_VERSION", "99.0")
    with pytest.raises(TrainingFailed, match=r"in phase inject: .* >= 99"):
        runs.resume_from(NATIVE, None, tmp_path)
    with pytest.raises(TrainingFailed, match=r"in phase inject: .* >= 99"):
        runs.interrupt(NATIVE, 1)
