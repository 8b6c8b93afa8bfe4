"""Chapter lifecycle: merging adapters that sit on other modules, or hold more, than plain ones."""

import pytest
import torch

from conformance import oracle
from conformance.checks.merging import logits_stay
from conformance.judging import changed, close_tensors, note
from conformance.marks import clause, crossing
from conformance.running import build, data
from conformance.running.build import injected, move_adapter
from conformance.running.looking import logits, tensors
from conformance.scenarios import Scenario

CONFIGS = {  # on which family: what the config asks for
    "bias-of-b": ("bert", {"lora_bias": True}),
    "embedding": ("llama", {"target_modules": ["embed_tokens", "q_proj"]}),
    "two-dimensions": ("vit", {"target_modules": ["projection"]}),
    "head": ("llama", {"target_modules": ["lm_head"]}),
    "patterns": ("llama", {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"q_proj": 5}}),
    "stabilized-patterns": ("t5", {"rank_pattern": {"v": 2}, "use_rslora": True}),
}
BY = 0.1  # how far each value of an adapter is moved: what merging leaves out has to show
ROUNDED = 1e-6  # adding a delta and taking it away: a few roundings in float32, of the whole tensor


@clause("lifecycle.merge")
@pytest.mark.parametrize("kind", CONFIGS)
@crossing(Scenario())
def test_merge_any_config(scenario, kind):
    """Merged, unmerged and merged for good the model gives what it gave."""
    architecture, asked = CONFIGS[kind]
    note(architecture=architecture, lora=repr(asked))
    scenario = scenario.but(architecture=architecture)
    model, probe = move_adapter(injected(scenario, **asked), BY), data.probe(scenario)
    before, held = logits(model, probe), tensors(model)
    plain = logits(build.base_model(scenario), probe)
    changed("the adapter", {"all": plain}, {"all": before})
    model.merge_adapter()
    logits_stay(logits(model, probe), before)
    model.unmerge_adapter()
    close_tensors("every tensor after unmerging", tensors(model), held, ROUNDED)
    logits_stay(logits(model.merge_and_unload(), probe), before)


@clause("lifecycle.merge")
@crossing(Scenario())
def test_merge_beside_copies(scenario):
    """Merged for good, the active adapter leaves the copies out that another one has."""
    model, probe = injected(scenario, modules_to_save=[scenario.family.head]), data.probe(scenario)
    move_adapter(model, BY)
    model.add_adapter("second", build.adapter_config(scenario))
    model.set_adapter("second")
    before = logits(move_adapter(model, BY), probe)
    logits_stay(logits(model.merge_and_unload(), probe), before)


@clause("lifecycle.merge")
@pytest.mark.parametrize("use_dora", [False, True])
@crossing(Scenario(), architecture=("gemma", "llama", "gpt2"))
def test_merge_embedding(scenario, use_dora):
    """What a merged embedding gives is what it gave, where it scales what it looks up as well."""
    named = {"target_modules": [scenario.family.embedding], "fan_in_fan_out": False}
    named["use_dora"] = use_dora
    model, ids = move_adapter(injected(scenario, **named), BY), torch.arange(32).reshape(2, 16)
    plain, before = (
        each.get_input_embeddings()(ids).detach() for each in (build.base_model(scenario), model)
    )
    changed("the adapter", {"embedded": plain}, {"embedded": before})
    after = model.merge_and_unload().get_input_embeddings()(ids).detach()
    close_tensors("what is embedded", {"all": after}, {"all": before}, oracle.GRADIENT)
