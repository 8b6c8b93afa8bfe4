"""Rules for what a quantized base does that no other does."""

from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .rule import NoScript, Rule

_PLACES = ({"": "disk"}, {"model": "cpu", "lm_head": "disk"})
_CASTS = ("half", "float", "to")
_SAYS = {
    "test_four_and_eight_bits_at_once": "both",
    "test_modules_on_the_disk": "dispatched on the CPU or the disk",
}


def layers(_: Case, scenario: Scenario) -> dict[str, Any]:
    """What stays as it is, and whether the model has a head that does."""
    from conformance.running import build, quantized

    head = build.plain_model(scenario).get_output_embeddings()
    stay = [*quantized.left_by_name(scenario), *scenario.family.precise]
    return {"stay": stay, "headed": head is not None}


def merged(_: Case, scenario: Scenario) -> dict[str, Any]:
    """The modules that carry an adapter."""
    return {"targets": list(scenario.family.attention)}


def refused(case: Case, _: Scenario) -> dict[str, Any]:
    """What is asked for, and the words of the error."""
    test = case.id.partition("[")[0]
    last = case.id.rstrip("]").rpartition("-")[2]
    place = _PLACES[int(last[-1])] if last.startswith("place") else {}
    says = _SAYS.get(test, "cast" if last == "to" else "not supported for quantized")
    return {"place": place, "asked": last if last in _CASTS else _CASTS[0], "says": says}


def in_float32(_: Case, scenario: Scenario) -> dict[str, Any]:
    """Raises `NoScript` where layers compute in another dtype."""
    if scenario.how_quantized.packed and scenario.compute_dtype != "float32":
        raise NoScript("no stand-alone script: it computes in another dtype than float32")
    if scenario.family.fan_in_fan_out:
        raise NoScript("no stand-alone script: the weights of this family are transposed")
    return {}


def _float32(scenario: Scenario) -> bool:
    return not scenario.bf16 and scenario.base_dtype == "float32"


_BASE = "^(quantization settings|packed weights|the base, against|its settings)"
_PARTS = "^parts of the head that are"
RULES = (
    Rule("quantizing", "", ("quantized.every-layer",), tells=layers),
    Rule("quantizing", "", ("quantized.default-config",), says="^(outputs|quantizing the base)"),
    Rule(
        *("quantizing", "", ("quantized.classification-head",)),
        ("test_classification_head",),
        "^trainable tensors of the head",
    ),
    Rule("quantizing", "", ("quantized.classification-head",), ("test_named_head",), _PARTS),
    Rule("quantizing", "", ("quantized.merge",), ("test_merge",), tells=merged),
    Rule("resume", "", ("quantized.resume",), ("test_resume",), _BASE),
    Rule("quantizing", "", ("quantized.refusals",), (*_SAYS, "test_casting"), tells=refused),
    Rule("quantizing", "", ("quantized.optimizer-states",), says="^(large tensors|the same of)"),
    Rule(
        *("quantizing", "", ("quantized.close-to-full",)),
        says="^the loss of step",
        when=_float32,
        tells=in_float32,
    ),
)
