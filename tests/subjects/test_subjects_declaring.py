"""What a subject declares is excused, exactly that, and nothing unsound is taken."""

from dataclasses import replace

import pytest
from transformers import Trainer

from conformance import subjects
from conformance.deviations import CaseKey, Symptom
from conformance.judging import Violation
from conformance.running.observation import Failure, TrainingFailed
from conformance.scenarios import Scenario
from conformance.subjects import DECLARED, SFT, TRAINER, Difference, Subject, SubjectError
from conformance.verdicts import judge

RESUME = Difference(
    "it forgets its count",
    ("resume.*",),
    tests=("test_every_*",),
    when={"injection": "add_adapter", "accumulation": {"min": 2}},
    source="https://example.org/docs",
)
NATIVE = Scenario(injection="add_adapter", accumulation=2, save="steps")
CASE = CaseKey("resume.equals-uninterrupted", "test_every_step", NATIVE)


def declaring(*differences: Difference) -> Subject:
    return replace(TRAINER, differences=differences)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (CASE, True),
        (replace(CASE, clause="loss.reference"), False),
        (replace(CASE, test="test_generated"), False),
        (replace(CASE, scenario=NATIVE.but(accumulation=1)), False),
        (replace(CASE, scenario=NATIVE.but(injection="get_peft_model")), False),
        (replace(CASE, scenario=NATIVE.but(architecture="gpt2")), True),
        (replace(CASE, scenario=None), False),
    ],
)
def test_a_difference_is_matched_by_clause_test_and_scenario(case: CaseKey, expected: bool) -> None:
    reason = f"{DECLARED}it forgets its count (https://example.org/docs)"
    assert declaring(RESUME).declines(case) == (reason if expected else "")


def test_a_plain_trainer_declines_nothing() -> None:
    assert (TRAINER.declines(CASE), TRAINER.excuses(CASE, Symptom("E", "x"))) == ("", "")


def test_tasks_that_a_subject_does_not_train_are_declined() -> None:
    named = "declared by the subject: trl:SFTTrainer trains causal-lm models alone"
    assert SFT.declines(replace(CASE, scenario=NATIVE.but(architecture="t5"))) == named
    assert SFT.declines(replace(CASE, scenario=NATIVE.but(architecture="gpt2"))) == ""
    assert SFT.declines(replace(CASE, scenario=None)) == ""


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Violation("the count of tokens", 14, 66), "not-run"),
        (Violation("the adapter", 14, 66), "fail"),
        (TrainingFailed(NATIVE, Failure("train", "ValueError", "no count of tokens")), "not-run"),
        (TrainingFailed(NATIVE, Failure("train", "ValueError", "no adapter")), "fail"),
        (None, "pass"),
    ],
)
def test_with_a_symptom_the_case_is_judged(error: Exception | None, verdict: str) -> None:
    subject = declaring(replace(RESUME, when={}, symptom="count of tokens"))
    case = replace(CASE, scenario=Scenario(save="steps"))
    assert subject.declines(case) == ""
    found, message, _ = judge(case, error, subject)
    assert found == verdict
    assert (DECLARED in message) is (verdict == "not-run")


@pytest.mark.parametrize(
    ("distance", "excused"),
    [("0.0000312", True), ("0.0039", True), ("0.0041", False), ("1", False)],
)
def test_a_bfloat16_adapter_is_excused_its_rounding_alone(distance: str, excused: bool) -> None:
    scenario = Scenario(quantization="nf4", launch="fsdp2")
    asked = CaseKey("fsdp.qlora", "test_equals_single", scenario)
    message = f"gradients of step 1\n  got:      distance {distance}\n  expected: at most 0.0001"
    assert bool(SFT.excuses(asked, Symptom("Violation", message))) is excused


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        (replace(RESUME, clauses=("resume.*", "resume.no-such")), "unknown clause 'resume.no-such"),
        (replace(RESUME, tests=("test_no_such",)), "unknown test 'test_no_such'"),
        (replace(RESUME, when={"no_such": 1}), "scenarios have no 'no_such'"),
        (replace(RESUME, symptom="(open"), "symptom: "),
    ],
)
def test_what_can_match_nothing_is_refused(difference: Difference, message: str) -> None:
    class Own(Trainer):  # type: ignore[misc]
        conformance_subject = declaring(difference)

    with pytest.raises(SubjectError, match="the subject of transformers:Trainer: ") as refused:
        subjects.of(Own)
    assert message in str(refused.value)
