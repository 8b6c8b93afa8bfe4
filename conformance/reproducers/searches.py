"""What the scripts of chapter search are told beside the scenario."""

import ast
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .rule import NoScript, Rule


def sampled(case: Case, _: Scenario) -> dict[str, Any]:
    """The values that the trials of a search had, and the arguments given besides."""
    try:
        values = ast.literal_eval(str(case.evidence["sampled"]))
        given = ast.literal_eval(str(case.evidence["given"]))
    except (KeyError, ValueError, SyntaxError):
        raise NoScript("no stand-alone script: the case does not say what was sampled") from None
    trials = max(map(len, values.values()))
    return {"sampled": values, "given": given, "trials": trials}


def seeds(_: Case, __: Scenario) -> dict[str, Any]:
    """The seeds that the tests of chapter search sample."""
    return {"sampled": {"seed": (3, 11)}, "given": {}, "trials": 2}


def direction(case: Case, _: Scenario) -> dict[str, Any]:
    """Which way the best run was looked for."""
    return {"direction": "maximize" if case.id.endswith("-maximize]") else "minimize"}


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
