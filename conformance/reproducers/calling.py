"""Rules for how things are called, and for what comes of a call that is no training."""

from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .comparing import changes
from .noting import noted, only
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

    lora = only(noted(case, "lora", dict), _ASKED)
    if lora.get("init_lora_weights", False):
        raise NoScript("no stand-alone script: the adapter is drawn as no test asks for")
    return {"adapter": {**adapter_arguments(scenario), **lora}}


_ASKED = (
    *("target_modules", "modules_to_save", "rank_pattern", "alpha_pattern", "use_rslora"),
    *("lora_bias", "init_lora_weights", "layer_replication", "kasa_config"),
)
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
