"""What the scripts of chapter search are told beside the scenario."""

from itertools import chain
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .noting import PLAIN, noted, only
from .rule import NoScript, Rule


def sampled(case: Case, _: Scenario) -> dict[str, Any]:
    """The values that the trials of a search had, and the arguments given besides."""
    values = only(noted(case, "sampled", dict), _ARGUMENTS)
    given = only(noted(case, "given", dict), _ARGUMENTS)
    if not all(isinstance(each, tuple) for each in values.values()):
        raise NoScript("no stand-alone script: the case does not say what was sampled")
    if not all(isinstance(each, PLAIN) for each in chain(given.values(), *values.values())):
        raise NoScript("no stand-alone script: what was sampled is no plain value")
    trials = max(map(len, values.values()))
    return {"sampled": values, "given": given, "trials": trials}


def seeds(_: Case, __: Scenario) -> dict[str, Any]:
    """The seeds that the tests of chapter search sample."""
    return {"sampled": {"seed": (3, 11)}, "given": {}, "trials": 2}


def direction(case: Case, _: Scenario) -> dict[str, Any]:
    """Which way the best run was looked for."""
    return {"direction": "maximize" if case.id.endswith("-maximize]") else "minimize"}


_ARGUMENTS = (  # that tests sample, or give besides
    *("learning_rate", "lr_scheduler_type", "weight_decay", "max_grad_norm", "warmup_steps"),
    *("max_steps", "num_train_epochs", "per_device_train_batch_size", "optim", "adam_beta2"),
    *("gradient_accumulation_steps", "data_seed", "seed", "label_smoothing_factor"),
)
_SAMPLED = ("search.any-argument", "search.any-value", "search.seed", "search.optuna")
RULES = (
    Rule("search", "search.reaches", ("search.optuna",), ("test_values_reach_steps",)),
    Rule(
        "search",
        "search.told",
        ("search.seed",),
        ("test_seed_reaches_the_arguments",),
        tells=seeds,
    ),
    Rule("search", "search.order", ("search.seed",), ("test_seed_orders_the_data",), tells=seeds),
    Rule("search", "search.flos", ("search.trial",), ("test_flos_of_a_trial",)),
    Rule("search", "search.equals", _SAMPLED, tells=sampled),
    *(
        Rule("search", "", (f"search.{name}",))
        for name in ("unsampled", "fresh-adapter", "dictionary")
    ),
    Rule("search", "", ("search.trial",), ("test_trial",)),
    Rule("search", "", ("search.best-run",), ("test_best",), tells=direction),
    Rule("search", "search.objective", ("search.best-run",), ("test_objective_of_ones_own",)),
    Rule(
        "search", "search.default-objective", ("search.best-run",), ("test_objective_by_default",)
    ),
    Rule(
        *("search", "search.without-evaluations", ("search.best-run",)),
        ("test_best_without_evaluations",),
    ),
    Rule("search", "", ("search.folders",), ("test_folders",)),
    Rule("search", "search.resumed", ("search.folders",), ("test_resumes_a_trial",)),
    Rule("search", "", ("search.pruned",)),
)
