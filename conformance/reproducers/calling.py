"""Rules for how things are called, and for what comes of a call that is no training."""

from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .comparing import changes
from .events import noted
from .rule import NoScript, Rule


def second(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The second adapter that has to be refused."""
    taken = case.id.startswith("test_name_is_taken")
    sits_nowhere = {} if taken else {"target_modules": ["nonesuch"]}
    return {
        "second": "default" if taken else "second",
        "says": "already exists" if taken else "modules",
        "changed": {"r": 2, **sits_nowhere},
    }


def grouping(_: Case, scenario: Scenario) -> dict[str, Any]:
    """The argument that groups by length, which has had two names."""
    changed = changes(scenario.but(sampling="random"), scenario)
    if len(changed) != 1:
        raise NoScript("no stand-alone script: it is not asked for by one argument")
    ((argument, value),) = changed.items()
    return {"argument": argument, "values": "name" if isinstance(value, str) else _IS_GROUPED}


def asked(case: Case, scenario: Scenario) -> dict[str, Any]:
    """What the adapter's config is asked for besides."""
    from conformance.running.build import adapter_arguments

    return {"adapter": {**adapter_arguments(scenario), **noted(case, "lora")}}


_IS_GROUPED = 'name == "group_by_length"'
RULES = (
    Rule("signature", "", ("signature.train-parameters", "signature.import-path")),
    Rule("calls", "", ("signature.model-at-init",)),
    Rule(
        *("calls", "", ("lifecycle.refused",)),
        ("test_name_is_taken", "test_nothing_to_sit_on"),
        tells=second,
    ),
    Rule("calls", "", ("methods.merge",), says="^(logits|every tensor after)"),
    Rule("calls", "", ("methods.safe-merge",), says="^(merging|weights with NaN)"),
    Rule(
        *("calls", "", ("lifecycle.merge",)),
        ("test_merge_any_config",),
        "^(logits|every tensor after)",
        tells=asked,
    ),
    Rule("calls", "", ("checkpoint.any-config",), says="^logits", tells=asked),
    Rule("noise", "", ("loop.neftune",), ("test_noise_in_training", "test_no_noise_in_evaluation")),
    Rule("noise", "", ("loop.neftune",), ("test_noise_is_gone_afterwards",), "^(emb|a leftover)"),
    Rule("grouped", "", ("loop.group-by-length",), ("test_group_by_length",), tells=grouping),
)
