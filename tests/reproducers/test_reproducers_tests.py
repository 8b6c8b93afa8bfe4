"""Scripts of tests that do one thing of their own, on planted faults: seen with them, not without.

Each is a fault, and the clause, the test (with what stands last in its brackets), the scenario and
the first line of the message of a case that it turns red.
"""

import pytest
from showing import Show

from conformance.records import Case, Verdict
from conformance.scenarios import Scenario

BERT = Scenario(architecture="bert")
SAVED = BERT.but(epochs=2.0, save="steps", save_steps=2)
EACH = BERT.but(accumulation=2, epochs=2.0, dropout=0.1, save="steps")
HANDED = BERT.but(examples=4, evaluate="epoch")
EVALUATED = Scenario(varied_lengths=False, evaluate="epoch")
NATIVE = Scenario(injection="add_adapter")
LATEST = Scenario(epochs=2.4, save="steps")
FROZEN_COPY = BERT.but(adapter="modules-to-save", epochs=2.0)
SCORED = Scenario(load_best=True, save="steps", evaluate="steps")
MIXED = Scenario(adapter="loha", examples=6, weight_decay=0.1)
THAWED = "tensors trained that were frozen when training began"
FUSED = BERT.but(injection="add_adapter", epochs=2.0, optimizer="adamw_torch_fused")
Told = tuple[str, str, Scenario, str]
CASES: dict[str, Told] = {
    # ---- two trainings side by side
    "counting-draws-a-number": (
        *("loop.arguments", "test_changes_nothing"),
        *(BERT.but(accumulation=2, count_tokens="all"), "gradients of step 1"),
    ),
    "data-seed-dropped": (
        *("loop.data-seed", "test_data_seed", Scenario(epochs=2.0), "step 1: the batch"),
    ),
    "stream-not-begun-again": (
        *("loop.iterable", "test_iterable_as_a_list"),
        *(Scenario(max_steps=8, iterable="streamed"), "optimizer steps"),
    ),
    "evaluation-moves-the-adapter": (
        *("evaluation.mode", "test_changes_no_weight"),
        *(BERT.but(epochs=2.0, weight_decay=0.1), "the adapter after step 2"),
    ),
    "checkpointed-gradient-a-millionth-off": (
        *("checkpointing.same-gradients", "test_same_gradients"),
        *(BERT.but(gradient_checkpointing="reentrant"), "gradients of step 1"),
    ),
    # ---- when
    "one-step-too-few": ("loop.step-count", "test_step_count", Scenario(), "optimizer steps"),
    "logged-one-step-late": (
        *("loop.cadence", "test_cadence_by_shares"),
        *(Scenario(epochs=2.0, evaluate="steps", save="steps"), "logs"),
    ),
    "no-evaluation-on-start": (
        *("evaluation.cadence", "test_on_start"),
        *(Scenario(epochs=2.0, evaluate="steps", eval_steps=2), "evaluations"),
    ),
    "one-checkpoint-too-many-kept": (
        *("checkpoint.total-limit", "test_total_limit-1", LATEST, "kept after step 2"),
    ),
    "every-evaluation-counts-as-the-best": (
        *("checkpoint.cadence", "test_cadence_best"),
        *(Scenario(epochs=2.0, evaluate="steps", save="best"), "checkpoints"),
    ),
    # ---- learning rates, steps by hand
    "warmup-share-rounded-down": (
        *("loop.schedule", "test_warmup_share"),
        *(Scenario(epochs=2.0, warmup_steps=3), "the rate of step 2"),
    ),
    "plateau-of-the-loss": (
        *("loop.plateau", "test_plateau-False", Scenario(evaluate="steps"), "rates"),
    ),
    "one-gradient-a-thousandth-off": (
        *("loop.reference", "test_reference", SAVED, "gradients of step 1"),
    ),
    "beta-slightly-off": ("loop.reference", "test_reference", SAVED, "the loss of step 10"),
    "fused-optimizer-forgets-decay": (
        *("loop.reference", "test_optimizer_reference"),
        *(FUSED.but(weight_decay=0.1), "the loss of step 2"),
    ),
    "ignored-labels-count": (
        *("loss.ignored-labels", "test_ignored_labels"),
        *(BERT.but(sampling="sequential", optimizer="sgd"), "the loss of step 1"),
    ),
    "smoothing-never-shifts": (
        *("detection.steers-loading", "test_smoothing_by_the_inner_model"),
        *(Scenario(label_smoothing=0.2), "the first step's loss"),
    ),
    # ---- options of the loop
    "seed-ignored": (
        *("loop.deterministic", "test_another_seed", NATIVE, "the order of the examples"),
    ),
    "every-epoch-alike": (
        *("loop.deterministic", "test_epochs_differ"),
        *(Scenario(epochs=2.0), "the second epoch's order"),
    ),
    "mode-as-it-was-handed-over": (
        *("loop.training-mode", "test_training_mode_after_evaluations"),
        *(Scenario(dropout=0.2, evaluate="steps"), "with gradients, in training mode"),
    ),
    "padding-always-counted": (
        *("loop.tokens-seen", "test_tokens_seen"),
        *(Scenario(examples=6, count_tokens="non_padding", save="steps"), "tokens logged"),
    ),
    "columns-never-removed": (
        *("loop.columns", "test_columns", BERT.but(extra_column=True), "columns that reached"),
    ),
    "first-interval-a-thousandth-off": (
        *("loop.log-entries", "test_entries"),
        *(Scenario(logging_steps=2), "the loss logged at step 2"),
    ),
    "nothing-decays": (
        *("loop.weight-decay", "test_weight_decay_groups"),
        *(Scenario(weight_decay=0.1), "parameters with decay: the names differ"),
    ),
    "flos-without-the-adapter": ("output.total-flos", "test_total_flos", SAVED, "total_flos"),
    "schedule-of-the-training-before": (
        *("loop.again", "test_again"),
        *(Scenario(examples=8, accumulation=2, epochs=2.0), "rates of both"),
    ),
    # ---- what evaluations hand over
    "last-example-dropped": (
        *("evaluation.compute-metrics", "test_compute_metrics", HANDED, "predictions"),
    ),
    "moved-predictions-halved": (
        *("evaluation.accumulation-steps", "test_accumulation_steps", HANDED, "predictions"),
    ),
    "result-asked-for-with-every-batch": (
        *("evaluation.batch-metrics", "test_batch_metrics", HANDED, "results asked for"),
    ),
    "inputs-are-the-labels": (
        *("evaluation.include-for-metrics", "test_include_for_metrics", HANDED, "inputs"),
    ),
    "logits-left-as-they-are": (
        *("evaluation.preprocess-logits", "test_preprocess_logits", HANDED, "predictions"),
    ),
    "predictions-gathered-all-the-same": (
        *("evaluation.loss-only", "test_loss_only", HANDED, "calls of compute_metrics"),
    ),
    "ignored-keys-gathered": (
        *("evaluation.ignore-keys", "test_ignore_keys"),
        *(EVALUATED.but(architecture="t5"), "outputs gathered"),
    ),
    "one-dataset-under-anothers-name": (
        *("evaluation.datasets", "test_datasets", EVALUATED, "eval_two_loss"),
    ),
    "batches-always-joined": ("evaluation.batches-apart", "test_batches_apart", NATIVE, "batches"),
    "predictions-of-the-last-batch-first": (
        *("evaluation.predict", "test_predict", NATIVE, "logits of example 0"),
    ),
    # ---- what checkpoints say, and where resumes begin
    "last-log-not-saved": (
        *("checkpoint.trainer-state", "test_trainer_state", SAVED, "log_history: length"),
    ),
    "saved-config-with-another-alpha": (
        *("checkpoint.config-round-trip", "test_config_round_trip"),
        *(SAVED, "config field lora_alpha"),
    ),
    "optimizer-state-for-the-base": (
        *("checkpoint.optimizer-state-only-adapter", "test_optimizer_state_only_adapter"),
        *(SAVED, "parameters with state on disk"),
    ),
    "arguments-not-saved": (
        *("checkpoint.save-only-model", "test_saves_all_states"),
        *(SAVED, "files that checkpoint-2 lacks"),
    ),
    "one-second-moment-lost": (
        *("resume.restores-each", "test_restores_optimizer", EACH, "the optimizer as resumed"),
    ),
    "latest-taken-instead-of-the-path": (
        *("resume.path", "test_path", Scenario(save="steps"), "the training"),
    ),
    "last-by-the-alphabet": (
        *("resume.true-takes-latest", "test_true_takes_latest", LATEST, "the first step taken"),
    ),
    "false-takes-the-adapter-over": (
        *("resume.none-and-false", "test_none_and_false"),
        *(Scenario(save="steps"), "False: the adapter"),
    ),
    "missing-checkpoint-ignored": (
        *("resume.missing-refused", "test_missing_path_refused"),
        *(Scenario(save="steps"), "a missing path: steps taken"),
    ),
    "planned-end-kept": (
        *("resume.longer-schedule", "test_more_steps", Scenario(save="steps"), "steps taken"),
    ),
    # ---- what sits where, and what of it trains
    "one-wrapped-adapter-weight-frozen": (
        *("injection.get-peft-model", "test_get_peft_model", SAVED, "the trainable parameters"),
    ),
    "defaults-lose-a-module": (
        *("injection.default-targets", "test_default_targets"),
        *(NATIVE.but(adapter="default-targets"), "modules with an adapter"),
    ),
    "excluded-modules-forgotten": (
        *("injection.left-out", "test_exclude_modules", NATIVE, "modules with an adapter"),
    ),
    "first-matrix-too-narrow": (
        *("injection.begins-as-base", "test_begins_as_base-True", BERT, "the spread of"),
    ),
    "copies-not-counted": ("injection.counts", "test_counts", BERT, "trainable, all"),
    "always-loaded-for-inference": (
        *("injection.loaded-to-train", "test_loaded_to_train", BERT, "trainable, loaded with True"),
    ),
    "plain-models-detected": (
        *("detection.peft-model", "test_plain_model", Scenario(), "_is_peft_model(plain)"),
    ),
    "left-in-inference-mode": ("frozen.config-kept", "test_config_kept", SAVED, "the configs at"),
    "copy-starts-rounded": (
        *("frozen.modules-to-save", "test_modules_to_save", FROZEN_COPY, "the copies before"),
    ),
    "base-weight-thawed-by-training": (
        *("adapter.every-parameter-moves", "test_every_parameter_moves", SAVED, THAWED),
    ),
    # ---- several adapters, given optimizers
    "idle-adapter-of-a-mixed-model-decays": (
        *("methods.mixed", "test_mixed", MIXED, "the adapter that is not active"),
    ),
    "waiting-adapter-decays": (
        *("methods.switching", "test_switching"),
        *(MIXED.but(adapter="oft"), "the adapter that waits"),
    ),
    "second-beta-of-the-default": (
        *("loop.optimizer-arguments", "test_adam_arguments"),
        *(Scenario(epochs=2.0), "the adapter of step 2"),
    ),
    "given-class-ignored": (
        *("loop.given-optimizer", "test_optimizer_class"),
        *(Scenario(optimizer="sgd", learning_rate=0.3), "rates of step 1"),
    ),
    "zero-clips-everything": (
        *("loop.clipping", "test_no_clipping"),
        *(Scenario(max_grad_norm=0.0, accumulation=2), "gradients of step 1"),
    ),
    "global-step-of-this-call": (
        *("output.global-step", "test_global_step_over_a_resume"),
        *(Scenario(epochs=2.0, save="steps"), "global_step"),
    ),
    # ---- what has to be refused, and losses that are no numbers
    "missing-metric-taken-for-zero": (
        *("checkpoint.best-metric-missing", "test_missing_metric_is_refused"),
        *(SCORED, "a metric that is not there"),
    ),
    "strategies-not-compared": (
        *("checkpoint.best-unfit", "test_unfit_strategies_are_refused-0"),
        *(SCORED, "load_best_model_at_end with"),
    ),
    "nothing-to-train-on-is-done-at-once": (
        *("loop.nothing-to-train-on", "test_empty_dataset", Scenario(), "nothing to train on"),
    ),
    "missing-labels-are-the-inputs": (
        *("loop.missing-columns", "test_no_labels"),
        *(Scenario(sampling="sequential"), "a column is missing"),
    ),
    "filtered-batches-are-not-trained-on": (
        *("loss.nan-filter-only-logs", "test_training_goes_on_as_it_was"),
        *(Scenario(epochs=3.0), "the adapter"),
    ),
    "gradients-that-are-no-numbers-become-zero": (
        *("loop.not-finite-gradient", "test_not_finite_gradient", Scenario(), "the clipped"),
    ),
    # ---- searches
    "speeds-in-the-objective": (
        *("search.best-run", "test_objective_by_default", EVALUATED, "the objective of two"),
    ),
    "direction-ignored": ("search.best-run", "test_best-maximize", EVALUATED, "the best run"),
}


def case(fault: str) -> Case:
    clause, test, scenario, message = CASES[fault]
    name, _, last = test.partition("-")
    inside = f"x-{last}" if last else "x"
    return Case(f"{name}[{inside}]", clause, scenario.changed(), Verdict.FAIL, message=message)


@pytest.mark.parametrize("fault", CASES)
def test_a_script_sees_a_planted_fault_and_nothing_without_it(show: Show, fault: str) -> None:
    job = {"case": case(fault).to_json()}
    faulty, sound = (show({**job, "fault": planted}) for planted in (fault, ""))
    assert str(faulty) == "reproduced in a fresh process", faulty.said
    assert str(sound) == "did not reproduce in a fresh process", sound.said
