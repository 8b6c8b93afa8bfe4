"""Scripts of the chapters whose tests do more than to train a scenario, on planted faults."""

from typing import Any

import pytest
from showing import Show

from conformance.records import Case, Verdict
from conformance.reproducers.rule import NoScript
from conformance.reproducers.rules import shown
from conformance.scenarios import Scenario
from conformance.scenarios.documented import LORA

HALF = Scenario(base_dtype="bfloat16", save="steps", examples=6)
WRAPPED = LORA.but(injection="get_peft_model")
STORY = Scenario(save="steps", examples=6)
SEARCHED = Scenario(evaluate="epoch", varied_lengths=False)
STOPPED = Scenario(epochs=2.0, evaluate="steps", save="steps")
LIFE = """logits without an adapter
  got:      1 of 1 tensors differ
the story, with Scenario(save='steps', examples=6):
1. add adapter 'default'
2. train 'default' for 2 steps
3. save with Trainer.save_model
4. load 'default' back onto a fresh base
5. load saved adapter 'default' as 'second'
6. activate 'second'
7. train 'second' for 2 steps, broken off after 1 and resumed
8. evaluate
9. delete 'default'
10. disable the adapters
11. enable the adapters
12. merge safely
13. unmerge
14. merge and unload"""
SCORES = {"stoppings": "[(2, 0.0, False)]", "scores": str([3.0, 4.0, 4.0, 2.0, *[1.0] * 6])}
WHOLE = {"stoppings": "[(3, 0.0, False)]", "whole": str([3.0, 2.0, *[2.5] * 3, *[1.0] * 5])}
ASKED = {"asked": "[('on_step_end', 3, 'should_epoch_stop', True)]"}
SAMPLED = {"sampled": "{'max_grad_norm': (0.01, 0.1)}", "given": "{}"}
Told = tuple[str, str, Scenario, str, dict[str, Any]]
CASES: dict[str, Told] = {
    # a fault, and the clause, test, scenario, message and evidence of a case that it turns red
    "autocast-left-out": (
        *("precision.bf16", "test_forward_in_bfloat16", Scenario(bf16=True)),
        *("dtypes that adapters computed in", {}),
    ),
    "adapter-cast-to-bfloat16": (
        *("precision.bf16", "test_state_in_float32", Scenario(bf16=True)),
        *("tensors not in float32", {}),
    ),
    "adapter-always-cast": (
        *("precision.adapter-dtype", "test_adapter_dtype", HALF.but(autocast_adapter=False)),
        *("dtypes of the adapter", {}),
    ),
    "base-rounded-once-more": (
        *("precision.bf16-base", "test_base_in_bfloat16_stays", HALF),
        *("base parameters and buffers", {}),
    ),
    "one-layer-stays-on": ("lifecycle.any-story", "test_any_story", STORY, LIFE, {}),
    "merged-a-thousandth-short": ("lifecycle.merge", "test_any_story", STORY, LIFE, {}),
    "safe-merge-checks-nothing": (
        *("lifecycle.safe-merge", "test_safe_merge", STORY, "merging", {}),
    ),
    "clipping-of-the-first-trial": (
        *("search.any-argument", "test_any_argument", SEARCHED, "max_grad_norm=0.01", SAMPLED),
    ),
    "values-rounded": (
        *("search.optuna", "test_values_reach_steps", SEARCHED.but(schedule="constant")),
        *("args.learning_rate", {}),
    ),
    "sampled-seed-dropped": (
        *("search.seed", "test_seed_reaches_the_arguments", SEARCHED, "args.seed", {}),
    ),
    "model-made-once": ("search.fresh-adapter", "test_begins_fresh", SEARCHED, "models", {}),
    "direction-ignored": ("search.best-run", "test_best", SEARCHED, "the best run", {}),
    "trials-share-a-folder": (
        *("search.folders", "test_folders"),
        SEARCHED.but(evaluate="steps", save="steps", save_total_limit=2),
        *("checkpoints outside of trials", {}),
    ),
    "reported-a-step-late": (
        *("search.pruned", "test_pruned", SEARCHED.but(evaluate="steps"), "steps", {}),
    ),
    "last-epoch-never-ends": ("callbacks.order", "test_order", STOPPED, "event 3 after", {}),
    "epoch-stop-a-step-late": (
        *("callbacks.control", "test_obeys_stops", STOPPED, "event 9 after", ASKED),
    ),
    "gradients-zeroed-before-optimizer-event": (
        *("callbacks.seen", "test_sees_the_step", STOPPED.but(accumulation=2)),
        *("gradients after optimizer step 1", {}),
    ),
    "metrics-of-the-evaluation-before": (
        *("callbacks.seen", "test_sees_logs_and_metrics", STOPPED, "metrics handed over", {}),
    ),
    "schedule-not-handed-over": (
        *("callbacks.seen", "test_sees_objects", STOPPED, "arguments that were missing", {}),
    ),
    "patience-one-longer": (
        *("callbacks.early-stopping", "test_stops", STOPPED, "the last step", SCORES),
    ),
    "one-wait-forgotten": (
        *("callbacks.early-stopping-resumed", "test_stops_over_a_resume"),
        *(STOPPED, "the last step", WHOLE),
    ),
    "last-checkpoint-cleaned-up": (
        *("callbacks.raising", "test_raising", STOPPED, "files of checkpoint 2"),
        {"raising": "('on_step_begin', 4)"},
    ),
    "curves-one-step-late": (
        *("callbacks.tensorboard", "test_tensorboard", STOPPED, "steps of eval/loss", {}),
    ),
    "removed-callbacks-stay": (
        *("callbacks.added", "test_added_and_removed", Scenario(max_steps=2), "steps heard of", {}),
    ),
    "one-epoch-short": ("recipes.lora", "test_lora", LORA, "optimizer steps", {}),
    "half-precision-on-the-processor": (
        *("recipes.without-gpu", "test_without_gpu", Scenario(), "the loss", {}),
    ),
    "a-moment-lost-by-the-example": (
        *("recipes.resumed", "test_resumed_lora", WRAPPED, "resumed at 4, step 5: losses", {}),
    ),
}
INSIDE = {"direction-ignored": "x-maximize", "half-precision-on-the-processor": "lora"}


def case(fault: str) -> Case:
    clause, test, scenario, message, noted = CASES[fault]
    inside = INSIDE.get(fault, "x")
    return Case(
        f"{test}[{inside}]", clause, scenario.changed(), Verdict.FAIL, noted, message=message
    )


@pytest.mark.parametrize("fault", CASES)
def test_a_script_sees_a_planted_fault_and_nothing_without_it(show: Show, fault: str) -> None:
    job = {"case": case(fault).to_json()}
    faulty, sound = (show({**job, "fault": planted}) for planted in (fault, ""))
    assert str(faulty) == "reproduced in a fresh process", faulty.said
    assert str(sound) == "did not reproduce in a fresh process", sound.said


@pytest.mark.parametrize(
    ("clause", "test", "message"),
    [
        ("callbacks.raising", "test_x", "the adapter at the end"),
        ("injection.dropout", "test_dropout", "what is kept"),
        ("precision.fp16", "test_losses_are_scaled", "scales of the loss"),
        ("lifecycle.add", "test_add", "adapter 'default', and no story"),
    ],
)
def test_what_no_template_is_about_has_none(clause: str, test: str, message: str) -> None:
    found = Case(f"{test}[x]", clause, {}, Verdict.FAIL, message=message)
    with pytest.raises(NoScript, match="for this clause"):
        shown(found)


@pytest.mark.parametrize("clause", ["search.any-value", "callbacks.control", "callbacks.raising"])
def test_a_case_that_did_not_come_so_far_has_none(clause: str) -> None:
    test = "test_raising" if clause == "callbacks.raising" else "test_x"
    found = Case(f"{test}[x]", clause, {}, Verdict.FAIL, message="event 3 after")
    with pytest.raises(NoScript, match="does not say what was"):
        _ = shown(found).about


def test_a_step_that_no_template_takes_is_named() -> None:
    told = LIFE.replace("8. evaluate", "8. dance")
    found = Case("test_any_story", "lifecycle.any-story", {}, Verdict.FAIL, message=told)
    with pytest.raises(NoScript, match="for the step 'dance'"):
        _ = shown(found).about
