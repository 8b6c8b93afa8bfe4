"""Rules for what comes at which step: logs, evaluations, checkpoints, and learning rates."""

import math
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .rule import Rule

_EDGES = ("epoch",)
_SHARES = {"logging_steps": 0.2, "eval_steps": 0.25, "save_steps": 0.45}
_ADAM = {"adam_beta1": 0.5, "adam_beta2": 0.9, "adam_epsilon": 0.01}
_PLATEAU = {
    "lr_scheduler_type": "reduce_lr_on_plateau",
    "lr_scheduler_kwargs": {"mode": "min", "factor": 0.5, "patience": 0},
    "metric_for_best_model": "score",
    "greater_is_better": False,
}


def at(strategy: str, interval: int, scenario: Scenario) -> list[int]:
    """The steps at which a strategy acts."""
    if strategy == "no":
        return []
    return every(scenario.steps_per_epoch if strategy in _EDGES else interval, scenario)


def every(number: int, scenario: Scenario) -> list[int]:
    """The steps of a training that are multiples of ``number``; none for 0."""
    return list(range(number, scenario.steps + 1, number)) if number else []


def saved_at(scenario: Scenario) -> list[int]:
    """The steps whose checkpoints the save strategy asks for: by steps, the last one as well."""
    interval = {"steps": scenario.save_steps, "epoch": scenario.steps_per_epoch}
    last = {scenario.steps} if scenario.save == "steps" else set()
    return sorted({*every(interval.get(scenario.save, 0), scenario), *last})


def moments(case: Case, scenario: Scenario) -> dict[str, Any]:
    """What is expected at which steps, and the arguments that are changed for it."""
    test, _, inside = case.id.partition("[")
    logs = at("steps", scenario.logging_steps, scenario)
    evaluations = at(scenario.evaluate, scenario.eval_steps, scenario)
    expected: dict[str, list[int]] = {"optimizer steps": list(range(1, scenario.steps + 1))}
    changed: dict[str, Any] = {}
    limit = 0
    if test == "test_cadence":
        saved = at(scenario.save, scenario.save_steps, scenario)
        expected |= {"logs": logs, "evaluations": evaluations, "checkpoints": saved}
    elif test == "test_cadence_by_shares":
        changed = dict(_SHARES)
        shares = [math.ceil(share * scenario.steps) for share in _SHARES.values()]
        names = ("logs", "evaluations", "checkpoints")
        steps = (at("steps", each, scenario) for each in shares)
        expected |= dict(zip(names, steps, strict=True))
    elif test == "test_evaluates_with_the_logs":
        changed = {"logging_steps": 2, "eval_steps": None}
        expected["evaluations"] = at("steps", 2, scenario)
    elif test == "test_on_start":
        changed = {"eval_on_start": True}
        expected["evaluations"] = [0, *evaluations]
    elif test == "test_delay":
        delay = 7 if scenario.evaluate == "steps" else 2
        changed = {"eval_delay": delay}
        passed = delay if scenario.evaluate == "steps" else delay * scenario.steps_per_epoch
        expected["evaluations"] = [step for step in evaluations if step >= passed]
    elif test == "test_total_limit":
        limit = int(inside.rstrip("]").rpartition("-")[2])
        changed = {"save_total_limit": limit}
        expected["checkpoints"] = at(scenario.save, scenario.save_steps, scenario)
    return {"expected": expected, "changed": changed, "limit": limit, "asked": False}


def beside_the_best(_: Case, __: Scenario) -> dict[str, Any]:
    """The same of a checkpoint that is asked for where an evaluation is not the best."""
    return {"expected": {}, "changed": {"greater_is_better": True}, "limit": 0, "asked": True}


def rates(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The learning rate of each step, by the documented formula."""
    from conformance.running.schedules import learning_rate

    test = case.id.partition("[")[0]
    expected = [learning_rate(scenario, step) for step in range(scenario.steps)]
    share = {"warmup_steps": 0.25} if test == "test_warmup_share" else {}
    why = f"what {scenario.schedule!r} is documented to give"
    return {"rates": expected, "why": why, "changed": share, "scores": []}


def stepped(_: Case, scenario: Scenario) -> dict[str, Any]:
    """What a step by hand takes besides the Trainer's batches and weights."""
    from conformance.running.schedules import learning_rate

    rates = [learning_rate(scenario, step) for step in range(scenario.steps)]
    return {"rates": rates, "differentiable": True, "changed": {}}


def adam(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The same with betas and an epsilon that are given."""
    return {**stepped(case, scenario), "changed": dict(_ADAM)}


def plateau(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The rate that is halved after each evaluation that is no better than the best before."""
    on_start = "True" in case.id.partition("[")[2]
    halved = [scenario.learning_rate * factor for factor in (1, 1, 1, 0.5, 0.5)]
    return {
        "rates": halved,
        "why": "halved after each score that is no better than the best before it",
        "changed": {**_PLATEAU, **({"eval_on_start": True} if on_start else {})},
        "scores": [*[0.1] * on_start, 1.0, 0.5, 0.7, 0.4, 0.6],
    }


_AT_STEPS = {
    "loop.step-count": ("test_step_count", "test_step_count_generated"),
    "loop.cadence": ("test_cadence", "test_cadence_by_shares", "test_evaluates_with_the_logs"),
    "evaluation.cadence": ("test_on_start", "test_delay"),
    "checkpoint.total-limit": ("test_total_limit",),
}
_SCHEDULES = (
    *("test_schedule", "test_schedules", "test_arguments_schedule"),
    *("test_warms_to_the_end", "test_warmup_share"),
)
_SAYS = "^(optimizer steps|their numbers|logs|evaluations|checkpoints|kept after|saves)"
RULES = (
    *(
        Rule("when", "", (clause,), tests, _SAYS, tells=moments)
        for clause, tests in _AT_STEPS.items()
    ),
    Rule("when", "", ("callbacks.save-beside-best",), says="^checkpoints", tells=beside_the_best),
    Rule("rates", "", ("loop.schedule",), _SCHEDULES, "^(the )?rates? ", tells=rates),
    Rule("stepped", "", ("loop.optimizer-arguments",), says="^the adapter of step", tells=adam),
    Rule("rates", "", ("loop.plateau",), ("test_plateau",), "^rates", tells=plateau),
)
