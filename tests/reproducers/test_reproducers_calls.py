"""Scripts of calls that are no training, of hurt checkpoints, and of rarer arguments: each sees its
fault when it is planted, and nothing without it.
"""

from fnmatch import fnmatchcase

import pytest
from showing import Show, Told, case_of, seen_when_planted_alone

from conformance.contract import load
from conformance.reproducers.rule import NoScript
from conformance.reproducers.rules import shown
from conformance.reproducers.without import WHY
from conformance.scenarios import Scenario

SAVED = Scenario(save="steps", dropout=0.1)
EACH = SAVED.but(accumulation=2, epochs=2.0)
NOISY = Scenario(architecture="bert", examples=8, neftune=5.0, evaluate="epoch")
LARGE = Scenario(architecture="bert", auto_batch_size=True, batch_size=8, examples=12, save="steps")
TOWER = Scenario(architecture="llava", examples=3, gradient_checkpointing="reentrant")
CASES: dict[str, Told] = {
    # ---- resumes from what is hurt
    "checkpoint-before-the-last-taken": (
        *("resume.after-kill", "test_killed_while_training", SAVED, "the first step taken"),
    ),
    "damaged-optimizer-ignored": (
        *("resume.damaged-refused", "test_truncated_file_refused-optimizer.pt"),
        *(SAVED.but(dropout=0.0), "a cut optimizer.pt: steps taken"),
    ),
    "damaged-random-state-ignored": (
        *("resume.damage-noticed", "test_one_file_damaged-rng_state.pth-empty"),
        *(SAVED, "rng_state.pth empty, and nothing was raised"),
    ),
    "wider-files-pass-through-half-precision": (
        *("resume.damage-noticed", "test_one_file_damaged-adapter_model.safetensors-widened"),
        *(SAVED, "adapter_model.safetensors widened, and nothing was raised"),
    ),
    "data-skipped-all-the-same": (
        *("resume.ignore-data-skip", "test_resumed_without_skipping", EACH, "step 5: the batch"),
    ),
    "pickled-adapters-passed-over": (
        *("resume.pickled", "test_resumed_from_pickled", EACH, "resumed at 2, step 3: losses"),
    ),
    # ---- calls
    "parameters-in-another-order": (
        *("signature.train-parameters", "test_train_parameters"),
        *(Scenario(), "the parameters of train()"),
    ),
    "config-becomes-a-function": (
        *("signature.import-path", "test_import_path", Scenario(), "LoraConfig as imported"),
    ),
    "the-model-is-copied": (
        *("signature.model-at-init", "test_model_at_init", Scenario(), "trainer.model"),
    ),
    "names-given-twice": (
        *("lifecycle.refused", "test_name_is_taken", Scenario(), "a second adapter"),
    ),
    "second-adapter-of-nothing": (
        *("lifecycle.refused", "test_nothing_to_sit_on", Scenario(), "a second adapter"),
    ),
    "empty-rank-taken-for-one": (
        *("injection.empty-rank-refused", "test_empty_rank_refused", Scenario(), "{'r': 0}"),
    ),
    "biases-scaled-twice": (
        *("methods.merge", "test_merge", Scenario(architecture="gpt2", adapter="ia3")),
        "every tensor after unmerging",
    ),
    "merged-before-it-is-looked-at": (
        *("methods.safe-merge", "test_safe_merge"),
        *(Scenario(architecture="bert", adapter="glora"), "weights with NaN"),
    ),
    "merged-a-thousandth-short": (
        *("lifecycle.merge", "test_merge_any_config-bias-of-b", Scenario(), "logits"),
    ),
    "biases-of-b-not-written": (
        *("checkpoint.any-config", "test_any_config-bias-of-b", Scenario(), "logits"),
    ),
    # ---- rarer arguments
    "noise-by-the-width-alone": (
        *("loop.neftune", "test_noise_in_training", NOISY, "noise in shares of its limit"),
    ),
    "noise-in-evaluation": (
        *("loop.neftune", "test_no_noise_in_evaluation", NOISY, "embeddings in an evaluation"),
    ),
    "noise-hook-left-behind": (
        *("loop.neftune", "test_noise_is_gone_afterwards", NOISY, "embeddings"),
    ),
    "grouped-at-random": (
        *("loop.group-by-length", "test_group_by_length"),
        *(Scenario(sampling="group_by_length", examples=64), "padding"),
    ),
    "schedule-of-the-first-attempt": (
        *("loop.auto-batch-size", "test_finds_a_batch_size", LARGE, "steps: how many"),
    ),
    "out-of-memory-not-recognised": (
        *("loop.auto-batch-size", "test_finds_a_batch_size", LARGE),
        "RuntimeError in phase train: [enforce fail at alloc_cpu.cpp:127]",
    ),
    # ---- images
    "the-vision-tower-without-gradient": (
        *("architectures.gradient-checkpointing", "test_gradient_checkpointing"),
        *(TOWER, "parameters with a gradient in step 1: the names differ"),
    ),
}

NOTED = {
    "merged-a-thousandth-short": {"architecture": "bert", "lora": "{'lora_bias': True}"},
    "biases-of-b-not-written": {"architecture": "llama", "lora": "{'lora_bias': True}"},
}


@pytest.mark.parametrize("fault", CASES)
def test_a_script_sees_a_planted_fault_and_nothing_without_it(show: Show, fault: str) -> None:
    seen_when_planted_alone(show, fault, CASES[fault], NOTED.get(fault))


def test_damage_that_is_not_written_out_is_named() -> None:
    later = ("resume.damage-noticed", "test_one_file_damaged-trainer_state.json-later", SAVED, "x")
    with pytest.raises(NoScript, match=r"this damage is not written out, .*later"):
        _ = shown(case_of(later)).about


@pytest.mark.parametrize(
    ("clause", "why"),
    [
        ("methods.across-releases", "files that other releases wrote"),
        ("resume.just-in-time", "a signal at a certain call"),
        ("distributed.resume-across", "launches of two kinds"),
        ("throughput.lora", "a GPU"),
        ("injection.dropout", "none of its templates judges what this case found"),
    ],
)
def test_why_a_clause_has_none_is_said(clause: str, why: str) -> None:
    with pytest.raises(NoScript, match=f"^no stand-alone script for this clause: .*{why}"):
        shown(case_of((clause, "test_x", Scenario(), "what is kept")))


@pytest.mark.parametrize("pattern", WHY)
def test_reasons_are_about_clauses_that_there_are(pattern: str) -> None:
    assert any(fnmatchcase(clause.id, pattern) for clause in load().clauses)
