"""Rules for trainings in several processes, and how their scripts start them."""

from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .comparing import changes
from .rule import Rule

STARTING = ("alike",)
"""Templates that start processes themselves; with others the whole check is made by several."""

_SHARED = {"tempfile.TemporaryDirectory()": "shared_folder()"}
_WHOLE = {
    "p.detach().clone()": "whole(p)",
    "p.grad for n, p": "whole(p.grad) for n, p",
    "t.detach().clone()": "whole(t)",
    "tensor.detach().clone()": "whole(tensor)",
}


def shared(check: str, scenario: Scenario) -> str:
    """A check for one process as it is for each of several, which share their folders.

    Where they hold parts of tensors each, those are put together to be looked at.
    """
    for word, by in (_SHARED if scenario.launch == "ddp" else {**_SHARED, **_WHOLE}).items():
        check = check.replace(word, by)
    return check


def alone(case: Case, scenario: Scenario) -> dict[str, Any]:
    """What one process at the whole batch is given otherwise; the same in float32."""
    one = changes(scenario, scenario.alone)
    if case.clause == "distributed.evaluation":
        from conformance.running.data import EVALUATION_BATCH

        one["per_device_eval_batch_size"] = EVALUATION_BATCH * scenario.processes
    return {"alone": one, "exact": {**one, "bf16": False}}


def kept(_: Case, scenario: Scenario) -> dict[str, Any]:
    """The same training in as many processes that keeps what this one computes again."""
    return {"alone": changes(scenario, scenario.but(recompute=False))}


_OUTPUTS = ("distributed.same-contract", "quantized.output", "quantized.documented-recipe")
RULES = (
    Rule("alike", "", ("distributed.equals-single",), ("test_equals_single",), tells=alone),
    *(
        Rule("alike", "", (f"distributed.{name}",), tells=alone)
        for name in ("clipping", "evaluation", "mixed-precision")
    ),
    Rule("together", "", ("distributed.ranks-agree",), ("test_ranks_agree",), "^the adapter of"),
    Rule("together", "", ("distributed.written-once",), ("test_written_once",)),
    Rule("together", "", ("distributed.metrics",)),
    Rule("together", "", ("distributed.best",), ("test_stops_early",)),
    Rule("checkpoint", "checkpoint.best-model", ("distributed.best",), says="^the adapter in mem"),
    Rule("alike", "distributed.recomputed", ("fsdp.activation-checkpointing",), tells=kept),
    Rule("output", "output.global-step", _OUTPUTS, says="^(global_step|steps|optimizer steps)"),
    Rule("output", "output.training-loss", _OUTPUTS, says="^training_loss"),
)
