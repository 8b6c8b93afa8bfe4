"""Rules for what has to be refused, and for losses that are no numbers."""

from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .comparing import changes
from .rule import NoScript, Rule

_UNFIT: tuple[dict[str, Any], ...] = ({"save": "epoch"}, {"evaluate": "no"}, {"save_steps": 3})
_SHARE = {"eval_steps": 0.5}  # of all steps, which no scenario has
_EMPTY: tuple[dict[str, Any], ...] = ({"r": 0}, {"r": -1}, {"rank_pattern": {"q_proj": 0}})
_SAYS = {
    "methods.native-refused": ["does not support"],
    "checkpoint.best-metric-missing": ["eval_zzz", "eval_loss"],
    "checkpoint.best-unfit": ["load_best_model_at_end requires"],
    "loop.missing-columns": ["loss"],
    "loop.nothing-to-train-on": [],
    "detection.quantized-without-adapter": ["quantized"],
    "injection.empty-rank-refused": ["positive"],
}


def refused(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The words of the error, and the arguments that have to end in it."""
    changed: dict[str, Any] = {}
    if case.clause == "checkpoint.best-unfit":
        changed = _unfit(case, scenario)
    if case.clause == "injection.empty-rank-refused":
        changed = next((each for each in _EMPTY if case.message.startswith(str(each))), _EMPTY[0])
    return {"says": _SAYS[case.clause], "changed": changed}


def _unfit(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The strategies that do not fit."""
    if case.id.startswith("test_share_beside_steps_is_refused"):
        return _SHARE
    number = case.id.rpartition("-")[2].rstrip("]")
    if not number.isdecimal():
        raise NoScript("no stand-alone script: the case does not say which strategies")
    return changes(scenario, scenario.but(**_UNFIT[int(number)]))


def poisoned(case: Case, _: Scenario) -> dict[str, Any]:
    """Which step's loss is no number, and whether its gradient sees it."""
    gradient = case.clause == "loop.not-finite-gradient"
    return {"step": 2 if gradient else 4, "gradient": gradient}


RULES = (
    Rule("refuses", "", ("checkpoint.best-metric-missing",), tells=refused),
    Rule(
        *("refuses", "", ("checkpoint.best-unfit",)),
        ("test_unfit_strategies_are_refused", "test_share_beside_steps_is_refused"),
        tells=refused,
    ),
    Rule("refuses", "", ("methods.native-refused",), tells=refused),
    Rule("refuses", "", ("loop.missing-columns",), ("test_no_labels",), tells=refused),
    Rule(
        *("refuses", "", ("loop.nothing-to-train-on",)),
        ("test_empty_dataset", "test_no_whole_batch"),
        tells=refused,
    ),
    Rule("refuses", "", ("detection.quantized-without-adapter",), tells=refused),
    Rule("refuses", "", ("injection.empty-rank-refused",), says=r"^\{", tells=refused),
    *(
        Rule("poisoned", "", (clause,), tells=poisoned)
        for clause in (
            *("loss.nan-filter-only-logs", "loss.nan-filter-average"),
            *("loss.not-finite-logged-once", "loop.not-finite-gradient"),
        )
    ),
)
