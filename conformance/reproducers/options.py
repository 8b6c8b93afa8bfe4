"""Rules for options of the loop and for what evaluations hand over: each a check of its own."""

import math
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .rule import Rule


def columns(_: Case, scenario: Scenario) -> dict[str, Any]:
    """The columns that should reach the collator."""
    from conformance.running.data import EXTRA

    more = set() if scenario.remove_unused_columns else {EXTRA}
    return {"wanted": {"input_ids", "labels"} | more}


def planned(_: Case, scenario: Scenario) -> dict[str, Any]:
    """What `trainer_state.json` should say of what was planned."""
    return {
        "planned": {
            "max_steps": scenario.steps,
            "num_train_epochs": math.ceil(scenario.epochs),
            "logging_steps": scenario.logging_steps,
            "train_batch_size": scenario.batch_size,
        }
    }


_OBSERVED: dict[str, tuple[tuple[str, ...], str]] = {
    "loop.deterministic": (("test_another_seed", "test_epochs_differ"), "^the "),
    "loop.tokens-seen": (("test_tokens_seen",), "^tokens "),
    "loop.training-mode": (("test_training_mode*",), "^(forward passes|with gradients)"),
    "loop.log-entries": (("*",), "^(the epoch logged|the loss logged|the last entry|steps of)"),
    "loop.weight-decay": (("test_weight_decay_groups",), "^parameters with decay"),
    "loop.again": (("test_again",), ""),
    "output.total-flos": (("test_total_flos",), "^total_flos"),
}
_HANDED = (
    *("compute-metrics", "accumulation-steps", "batch-metrics", "include-for-metrics"),
    *("preprocess-logits", "loss-only", "datasets"),
)
RULES = (
    *(Rule("observed", "", (clause,), tests, says) for clause, (tests, says) in _OBSERVED.items()),
    Rule("observed", "", ("loop.columns",), ("test_columns",), tells=columns),
    Rule("written", "", ("checkpoint.trainer-state",), ("test_trainer_state",), tells=planned),
    Rule("written", "", ("checkpoint.save-only-model",), ("test_saves_all_states",)),
    Rule("written", "", ("checkpoint.cadence",), ("test_cadence_best",), "^checkpoints"),
    Rule("written", "", ("checkpoint.config-round-trip",), says="^(config field|the config)"),
    Rule(
        "written",
        "",
        ("checkpoint.optimizer-state-only-adapter",),
        says="^(parameters with state on disk|first moments)",
        when=lambda scenario: scenario.optimizer == "adamw_torch",
    ),
    *(Rule("handed", "", (f"evaluation.{name}",)) for name in _HANDED),
    Rule("handed", "", ("evaluation.ignore-keys",), ("test_ignore_keys",)),
    Rule("handed", "", ("evaluation.batches-apart",), ("test_batches_apart",)),
    Rule("handed", "", ("evaluation.predict",), ("test_predict",)),
)
