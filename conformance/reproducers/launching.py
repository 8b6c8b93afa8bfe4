"""Rules for trainings in several processes, and how their scripts start them."""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from conformance.records import Case
from conformance.scenarios import Scenario

from .comparing import changes
from .rule import Rule

STARTING = ("alike",)
"""Templates that start processes themselves; with others the whole check is made by several."""


def sharing(template: str, scenario: Scenario) -> dict[str, Any]:
    """What a check for each of several processes writes otherwise than one for a single process.

    Where they hold parts of tensors each, those are put together to be looked at.
    """
    several = bool(scenario.launch) and template not in STARTING
    return {
        "forks": several,
        "temporary_folder": "shared_folder()" if several else "tempfile.TemporaryDirectory()",
        "holds_parts": several and scenario.launch != "ddp",
    }


@pass_context
def copied(context: Context, tensor: str) -> str:
    """The expression for a whole copy of the tensor that the expression ``tensor`` gives."""
    return f"whole({tensor})" if context["holds_parts"] else f"{tensor}.detach().clone()"


@pass_context
def gathered(context: Context, tensor: str) -> str:
    """The expression for the whole of that tensor, no copy where this process has all of it."""
    return f"whole({tensor})" if context["holds_parts"] else tensor


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


def measured(case: Case, _: Scenario) -> dict[str, Any]:
    """How many examples an evaluation takes at a time: what the case says, or as all do."""
    from conformance.running.data import EVALUATION_BATCH

    batch = case.id.rpartition("-")[2].rstrip("]")
    own = case.id.startswith("test_metrics[") and batch.isdecimal()
    return {"batch": int(batch) if own else EVALUATION_BATCH}


_OUTPUTS = ("distributed.same-contract", "quantized.output", "quantized.documented-recipe")
_TRAINS = ("test_output", "test_documented_recipe")  # and do not resume
RULES = (
    Rule("alike", "", ("distributed.equals-single",), ("test_equals_single",), tells=alone),
    *(
        Rule("alike", "", (f"distributed.{name}",), tests, tells=alone)
        for name, tests in (
            ("clipping", ("test_clipping",)),
            ("evaluation", ("test_evaluation", "test_evaluation_last_batch")),
            ("mixed-precision", ("test_mixed_alike",)),
        )
    ),
    Rule("together", "", ("distributed.ranks-agree",), ("test_ranks_agree",), "^the adapter of"),
    Rule("together", "", ("distributed.written-once",), ("test_written_once",)),
    Rule(
        *("together", "", ("distributed.metrics",)),
        ("test_metrics", "test_metrics_of_varied_lengths"),
        "^eval_(rows|labels)",
        tells=measured,
    ),
    Rule("together", "", ("distributed.best",), ("test_stops_early",)),
    Rule("checkpoint", "checkpoint.best-model", ("distributed.best",), says="^the adapter in mem"),
    Rule("alike", "distributed.recomputed", ("fsdp.activation-checkpointing",), tells=kept),
    Rule("output", "output.global-step", _OUTPUTS, _TRAINS, "^(global_step|steps|optimizer steps)"),
    Rule("output", "output.training-loss", _OUTPUTS, _TRAINS, "^training_loss"),
)
