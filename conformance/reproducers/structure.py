"""Rules for where adapters sit and what of a model trains, and for where a resume begins."""

import re
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .rule import NoScript, Rule


def kinds(_: Case, scenario: Scenario) -> dict[str, Any]:
    """The kinds of modules that are to carry an adapter."""
    from conformance.running.build import adapter_arguments

    wanted = adapter_arguments(scenario).get("target_modules")
    if isinstance(wanted, str):
        raise NoScript("no stand-alone script: the targets are not a list")
    return {"kinds": sorted(wanted or scenario.family.default_targets)}


def left_out(_: Case, scenario: Scenario) -> dict[str, Any]:
    """What is excluded: by the end of the name, and as an expression."""
    first = scenario.family.attention[0]
    return {"first": first, "pattern": rf".*\.{re.escape(first)}"}


def drawn(case: Case, _: Scenario) -> dict[str, Any]:
    """How the first matrix is drawn."""
    return {"drawn": "gaussian" if case.id.endswith("-gaussian]") else True}


def missing(case: Case, _: Scenario) -> dict[str, Any]:
    """What is asked to be resumed from, though it is not there."""
    return {"given": _MISSING.get(case.id.partition("[")[0], "True,")}


def mixed(_: Case, scenario: Scenario) -> dict[str, Any]:
    """The LoRA that an adapter of another type is mixed with."""
    from conformance.running.build import adapter_arguments

    given = adapter_arguments(scenario.but(adapter="lora"))
    return {"lora": {name: value for name, value in given.items() if name != "modules_to_save"}}


_MISSING = {
    "test_missing_path_refused": 'f"{other}/checkpoint-7",',
    "test_empty_path_refused": '"",',
}
_NONE_THERE = "test_true_without_checkpoint_refused"
_GRADIENTS = "^(parameters with a gradient|lora_B|other parameters with|tensors trained that)"
RULES = (
    *(
        Rule("model", "", (f"injection.{name}",), says="^the trainable parameters")
        for name in ("get-peft-model", "add-adapter")
    ),
    Rule(
        "model",
        "model.targets",
        (
            *("injection.get-peft-model", "injection.add-adapter", "injection.default-targets"),
            *("architectures.default-targets", "architectures.every-family"),
            "quantized.documented-recipe",
        ),
        says="^(modules with an adapter|kinds of modules)",
        tells=kinds,
    ),
    Rule(
        "model",
        "model.gradients",
        (
            *("adapter.every-parameter-moves", "checkpointing.inputs-require-grad"),
            *("accumulation.only-adapters", "quantized.documented-recipe"),
            "architectures.gradient-checkpointing",
        ),
        says=_GRADIENTS,
    ),
    Rule(
        "model",
        "",
        ("injection.left-out",),
        ("test_exclude_modules", "test_layers_to_transform"),
        tells=left_out,
    ),
    Rule("model", "", ("injection.begins-as-base",), ("test_begins_as_base",), tells=drawn),
    Rule("model", "", ("injection.counts",), ("test_counts",)),
    Rule(
        *("model", "", ("injection.loaded-to-train",)),
        ("test_loaded_to_train", "test_tokens_loaded_to_train"),
    ),
    Rule("model", "", ("detection.peft-model",), ("test_plain_model", "test_peft_model")),
    Rule("model", "", ("frozen.config-kept",), says="^the configs"),
    Rule("model", "", ("frozen.modules-to-save",), says="^(the originals|the copies|training the)"),
    Rule("several", "", ("methods.mixed", "methods.mixed-saving"), tells=mixed),
    Rule("several", "", ("methods.switching",)),
    Rule("again", "", ("resume.none-and-false",)),
    Rule(
        "again", "", ("resume.true-takes-latest",), ("test_true_takes_latest",), "^the first step"
    ),
    Rule("again", "", ("resume.longer-schedule",), ("test_more_steps",), "^steps taken"),
    Rule("again", "", ("resume.missing-refused",), (*_MISSING, _NONE_THERE), tells=missing),
    Rule("again", "", ("resume.ignore-data-skip",), says=r"^(steps taken|step \d+: the batch)"),
    Rule("again", "", ("resume.path",), ("test_path",), "^the adapter"),
)
