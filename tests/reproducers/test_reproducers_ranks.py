"""Scripts that train in two processes, on planted faults: seen with them, not without."""

import pytest
from showing import Show, Told, seen_when_planted_alone

from conformance.scenarios import Scenario

DDP = Scenario(launch="ddp", examples=12, accumulation=2, epochs=2.0, dropout=0.1, save="steps")
PLAIN = Scenario(
    launch="ddp",
    examples=12,
    optimizer="sgd",
    learning_rate=0.1,
    max_grad_norm=0.05,
    drop_last=True,
    evaluate="steps",
)
SHORT = Scenario(launch="fsdp2", examples=12, max_steps=2)
BEST = SHORT.but(
    max_steps=4, save="steps", evaluate="steps", load_best=True, greater_is_better=True
)
CASES: dict[str, Told] = {
    # ---- what holds for one process
    "second-rank-moves-its-base": (
        *("distributed.same-contract", "test_frozen", DDP, "base parameters and buffers"),
    ),
    "launched-checkpoint-one-tensor-short": (
        *("distributed.same-contract", "test_checkpoint_complete"),
        *(DDP, "tensors in checkpoint-1: the names differ"),
    ),
    "moments-lost-in-several-processes": (
        *("distributed.same-contract", "test_resume", DDP, "resumed at 2, step 3: learning rates"),
    ),
    "optimizer-not-loaded-from-shards": (
        *("fsdp.state-dict-types", "test_state_dicts_resume"),
        *(DDP.but(launch="fsdp2"), "resumed at 2, step 3: learning rates"),
    ),
    "best-not-loaded-in-several-processes": (
        *("distributed.best", "test_best_is_loaded", BEST, "the adapter in memory"),
    ),
    "scheduler-kept-beside-the-model": (
        *("distributed.save-only-model", "test_save_only_model"),
        *(SHORT.but(save="steps", save_only_model=True), "files of state"),
    ),
    # ---- several beside one
    "loss-not-averaged-over-ranks": (
        *("distributed.equals-single", "test_equals_single", PLAIN, "the mean loss of step 1"),
    ),
    "norm-of-one-rank-logged": ("distributed.clipping", "test_clipping", PLAIN, "grad_norm"),
    "evaluated-slightly-off-in-several-processes": (
        *("distributed.evaluation", "test_evaluation", PLAIN, "eval_loss at step 1"),
    ),
    "float32-in-several-processes": (
        *("distributed.mixed-precision", "test_mixed_alike"),
        SHORT.but(bf16=True, optimizer="sgd", learning_rate=0.1),
        "distance from the gradients in float32",
    ),
    "recomputed-from-another-input": (
        *("fsdp.activation-checkpointing", "test_recomputed_alike"),
        *(SHORT.but(recompute=True), "gradients of step 1"),
    ),
    # ---- alike on all of them
    "second-rank-adds-noise": (
        *("distributed.ranks-agree", "test_ranks_agree", DDP, "the adapter of step 1"),
    ),
    "second-rank-leaves-a-file": (
        *("distributed.written-once", "test_written_once", DDP, "files that rank 1 wrote"),
    ),
    "duplicates-of-the-last-batch-kept": (
        *("distributed.metrics", "test_metrics"),
        SHORT.but(launch="ddp", evaluate="steps", max_steps=1, varied_lengths=False),
        "eval_rows",
    ),
    "one-evaluation-more-in-several-processes": (
        *("distributed.best", "test_stops_early", BEST, "the last step"),
    ),
}


@pytest.mark.parametrize("fault", CASES)
def test_a_script_sees_a_planted_fault_and_nothing_without_it(show: Show, fault: str) -> None:
    seen_when_planted_alone(show, fault, CASES[fault])
