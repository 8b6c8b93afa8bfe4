"""Which scripts cases get: none that would show what another test of the clause looks at."""

import pytest
from showing import Show, Told, case_of

from conformance import contract
from conformance.records import Case, Verdict
from conformance.reproducers.rule import NoScript
from conformance.reproducers.rules import RULES, shown
from conformance.scenarios import Injection, Scenario

BEST = Scenario(load_best=True, save="steps", save_steps=2, evaluate="steps")
GROUPED = Scenario(sampling="group_by_length", examples=64)
RESUMED = Scenario(save="steps", accumulation=3, epochs=2.0)
SEVERAL = Scenario(launch="ddp", evaluate="steps", max_steps=1, varied_lengths=False)
BY_THE_CASE = ("any-value", "any-argument", "optuna", "search.seed", "damage-noticed", "s.resumed")
"""Ends of clauses whose templates are told by the case itself what its test did."""


def test_a_scenario_of_its_own_stays_with_a_way_of_calling() -> None:
    told: Told = (
        *("signature.model-at-init", "test_model_at_init"),
        *(Scenario(injection=Injection("add_adapter")), "trainer.model"),
    )
    assert shown(case_of(told)).scenario.native


def test_a_way_of_calling_without_a_scenario_takes_the_plain_one() -> None:
    found = Case("test_import_path", "signature.import-path", {}, Verdict.FAIL)
    assert shown(found).scenario == Scenario()


def test_a_share_beside_steps_is_asked_for(show: Show) -> None:
    test = "test_share_beside_steps_is_refused"
    told: Told = ("checkpoint.best-unfit", test, BEST, "load_best_model_at_end with")
    assert shown(case_of(told)).about["changed"] == {"eval_steps": 0.5}
    assert show(
        {"case": case_of(told).to_json(), "fault": ""}
    ).reproduced  # the deviation share-beside-steps


def test_an_evaluation_takes_as_many_at_a_time_as_its_case() -> None:
    told: Told = ("distributed.metrics", "test_metrics-3", SEVERAL, "eval_rows")
    assert shown(case_of(told)).about["batch"] == 3


@pytest.mark.parametrize(
    "told",
    [
        ("loop.group-by-length", "test_lengths_of_ones_own", GROUPED, "batches of two lengths"),
        ("loop.group-by-length", "test_one_longest", GROUPED, "examples of an epoch"),
        ("loop.schedule", "test_logged_rate", Scenario(), "the rate logged at step 1"),
        ("loop.schedule", "test_schedules_arguments-0", Scenario(), "the rate of step 1 under x"),
        ("loop.plateau", "test_driven_resume-x", Scenario(), "rates after checkpoint-3"),
        ("output.metrics-values", "test_speeds_over_a_resume", RESUMED, "train_samples_per"),
        ("output.metrics-values", "test_metrics_values", RESUMED, "train_runtime"),
        ("quantized.merge", "test_merge_biases", Scenario(quantization="nf4"), "the bias of"),
        ("distributed.metrics", "test_metrics-2", SEVERAL, "sum of logits, off by"),
        ("distributed.mixed-precision", "test_mixed_from_bfloat16", SEVERAL, "dtypes of the ad"),
    ],
    ids=lambda told: told[1],
)
def test_what_another_test_of_the_clause_finds_has_none(told: Told) -> None:
    with pytest.raises(NoScript, match="for this clause"):
        shown(case_of(told))


def test_steps_after_a_resume_of_several_are_not_the_steps_of_a_training() -> None:
    told: Told = ("distributed.same-contract", "test_resume", SEVERAL, "steps taken after 2")
    with pytest.raises(NoScript, match="for this clause"):
        shown(case_of(told))


def test_a_rule_for_all_tests_of_a_clause_names_them_or_what_they_say() -> None:
    """A test that is added to a clause shall not get the script of another."""
    tests = contract.tested(contract.load())
    loose = {
        clause
        for rule in RULES
        if rule.tests == ("*",) and not rule.says
        for clause in rule.clauses
        if len(tests.get(clause, ())) > 1 and not clause.endswith(BY_THE_CASE)
    }
    assert not loose
