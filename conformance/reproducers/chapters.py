"""Rules for chapters whose tests do more than to train a scenario."""

from . import (
    calling,
    comparing,
    documented,
    events,
    hurting,
    launching,
    moments,
    options,
    quantizing,
    refusing,
    searches,
    structure,
)
from .rule import Rule
from .stories import safe_merge, story

RULES = (
    Rule("precision", "precision.forward", ("precision.bf16",), ("test_forward_in_bfloat16",)),
    Rule("precision", "precision.state", ("precision.bf16",), ("test_state_in_float32",)),
    Rule("precision", "precision.matters", ("precision.bf16",), ("test_bfloat16_matters",)),
    Rule("precision", "", ("precision.adapter-dtype",), says="^dtypes of the adapter"),
    Rule("precision", "precision.base", ("precision.bf16-base",), says="^dtypes of the base"),
    Rule("precision", "", ("precision.fp16-on-cpu",), says="^fp16 on a CPU"),
    *launching.RULES,
    *calling.RULES,
    *hurting.RULES,
    *quantizing.RULES,
    *documented.RULES,
    *events.RULES,
    *searches.RULES,
    *comparing.RULES,
    *moments.RULES,
    *options.RULES,
    *structure.RULES,
    *refusing.RULES,
    Rule("lifecycle", "", ("lifecycle.*",), says=r"(?m)^the story, with ", tells=story),
    Rule("lifecycle", "", ("lifecycle.safe-merge",), ("test_safe_merge",), tells=safe_merge),
)
