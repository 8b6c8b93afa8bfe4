"""Rules for tests that set two trainings side by side: what the other one is."""

import inspect
from collections.abc import Callable
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .literals import literal
from .rule import Rule

_PLAIN = Scenario(accumulation=2)
_OTHERS: dict[str, Callable[[Scenario], Scenario]] = {
    "test_same_seed": lambda scenario: scenario,
    "test_changes_nothing": lambda scenario: _PLAIN.but(
        architecture=scenario.architecture, injection=scenario.injection
    ),
    "test_workers_change_nothing": lambda scenario: Scenario(epochs=2.0),
    "test_iterable_as_a_list": lambda scenario: scenario.but(iterable="", sampling="sequential"),
    "test_last_window_of_a_pass": lambda scenario: scenario.but(iterable="", sampling="sequential"),
    "test_changes_no_weight": lambda scenario: scenario.but(evaluate="steps"),
    "test_draws_no_random_numbers": lambda scenario: scenario.but(evaluate="steps"),
    "test_same_gradients": lambda scenario: scenario.but(gradient_checkpointing=""),
    "test_checkpointing": lambda scenario: scenario.but(gradient_checkpointing=""),
    "test_evaluation": lambda scenario: scenario.but(evaluate="no"),
    "test_finds_a_batch_size": lambda scenario: scenario.but(auto_batch_size=False, batch_size=4),
    "test_half_precision_is_for_afterwards": lambda scenario: scenario,
    "test_data_seed": lambda scenario: scenario.but(seed=8),
    "test_stop_inside_window": lambda scenario: scenario,
    "test_optimizer_class": lambda scenario: scenario,
}
"""The scenario of the other training, by the test."""

_OWN: dict[str, list[str]] = {
    "test_half_precision_is_for_afterwards": ["1", "bf16_full_eval=True"],
    "test_data_seed": ["1", "data_seed=8"],
    "test_stop_inside_window": ["1", '[Stopping("on_substep_end", 2)]'],
    "test_optimizer_class": [
        "1",
        'given={"optimizer_cls_and_kwargs": (torch.optim.SGD, {"lr": 0.3})}',
        'optim="adamw_torch"',
        "learning_rate=0.01",
    ],
}
_JUDGED = {
    "test_data_seed": "batches",
    "test_draws_no_random_numbers": "generator",
    "test_stop_inside_window": "steps",
    "test_optimizer_class": "steps",
    "test_finds_a_batch_size": "steps",
}
_WHICH = {
    "test_same_seed": "of a second run with the same seed is another",
    "test_iterable_as_a_list": "is not that of the same examples in a list",
    "test_last_window_of_a_pass": "is not that of the same examples in a list",
    "test_data_seed": "is not that of a seed of that value",
    "test_same_gradients": "is not that without gradient checkpointing",
    "test_checkpointing": "is not that without gradient checkpointing",
    "test_evaluation": "is not that without evaluations",
    "test_finds_a_batch_size": "is not that of batches of the size that was found",
    "test_stop_inside_window": "is not that of an epoch stopped after the step",
    "test_optimizer_class": "is not that of the same optimizer by its name",
}


def beside(case: Case, scenario: Scenario) -> dict[str, Any]:
    """How either training is called, and what of them is compared."""
    test = case.id.partition("[")[0]
    other = _OTHERS[test](scenario)
    changed = changes(scenario, other)
    noise = 77 if test == "test_same_seed" else 1
    listed = bool(scenario.iterable) and not other.iterable
    calls = {"one": _OWN.get(test, ["1"]), "other": [str(noise)]}
    if test == "test_stop_inside_window":
        calls["other"].append('[Stopping("on_step_end", 2)]')
    if listed:
        calls["other"].append('given={"train_dataset": EXAMPLES}')
    if test == "test_evaluation":
        calls["other"].append('given={"eval_dataset": None}')
    if test == "test_finds_a_batch_size":
        calls["one"].append("[ShortOfMemory()]")
    calls["other"] += [f"{name}={literal(value)}" for name, value in changed.items()]
    return {
        "calls": calls,
        "judged": _JUDGED.get(test, "everything"),
        "which": _WHICH.get(test, "is another one"),
        "asks": test == "test_stop_inside_window",
        "short": test == "test_finds_a_batch_size",
    }


def changes(scenario: Scenario, other: Scenario) -> dict[str, Any]:
    """The arguments that another scenario's training has otherwise."""
    from transformers import TrainingArguments

    from .parts import arguments

    one, two = arguments(scenario), arguments(other)
    defaults = inspect.signature(TrainingArguments).parameters
    return {
        name: two[name] if name in two else defaults[name].default
        for name in sorted({*one, *two})
        if one.get(name) != two.get(name)
    }


def _loaded_alike(scenario: Scenario) -> bool:
    """Whether both trainings have the same base, which is not prepared for one of them."""
    return not scenario.kbit_prepared


_SAYS = {"quantized.evaluation": "^(gradients of|the loss of|the adapter)"}
RULES = tuple(
    Rule("pair", "", (clause,), tests, when=_loaded_alike, says=_SAYS.get(clause, ""), tells=beside)
    for clause, tests in {
        "loop.deterministic": ("test_same_seed",),
        "loop.arguments": ("test_changes_nothing", "test_workers_change_nothing"),
        "loop.iterable": ("test_iterable_as_a_list", "test_last_window_of_a_pass"),
        "loop.data-seed": ("test_data_seed",),
        "evaluation.mode": (
            "test_changes_no_weight",
            "test_draws_no_random_numbers",
            "test_half_precision_is_for_afterwards",
        ),
        "checkpointing.same-gradients": ("test_same_gradients",),
        "loop.auto-batch-size": ("test_finds_a_batch_size",),
        "quantized.checkpointing": ("test_checkpointing",),
        "quantized.evaluation": ("test_evaluation",),
        "loop.given-optimizer": ("test_optimizer_class",),
        "callbacks.stop-inside-window": ("test_stop_inside_window",),
    }.items()
)
