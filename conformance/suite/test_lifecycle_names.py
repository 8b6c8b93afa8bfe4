"""Chapter lifecycle: a second adapter by its config and its name."""

import re

import torch

from conformance import compat
from conformance.checks.injection import adapted
from conformance.judging import equal, identical, refused, require, same_names
from conformance.marks import clause, crossing
from conformance.running import build, data
from conformance.running.build import injected
from conformance.running.looking import logits, tensors, trainable
from conformance.scenarios import Injection, Scenario

AXES = {"architecture": ("llama", "gpt2", "bert"), "injection": tuple(Injection)}


def _active(model):
    return list(compat.active_adapters(model))


@clause("lifecycle.add")
@crossing(Scenario(), **AXES)
def test_add_by_an_expression(scenario):
    """A second adapter's expression is matched against the base's modules, and not against those
    that the first one brought.
    """
    model, kind = injected(scenario), scenario.family.attention[0]
    expected = [name for name in adapted(model) if name.rpartition(".")[2] == kind]
    build.add_adapter(scenario, model, "second", target_modules=rf".*\b{re.escape(kind)}\b.*")
    held = (name for name, _ in model.named_parameters() if ".lora_A.second." in name)
    found = [build.base_name(name.partition(".lora_A.")[0]) for name in held]
    same_names("modules with the second adapter", found, expected)


@clause("lifecycle.delete")
@crossing(Scenario(), adapter=("dora", "rslora", "rank-pattern"), **AXES)
def test_name_is_free_again(scenario):
    """An adapter under the name of a deleted one, which had other settings, is as a first one."""
    plain, logits_of = scenario.but(adapter="lora"), []
    for before in (scenario, None):
        model = injected(plain)
        if before is not None:
            build.add_adapter(before, model, "second")
            compat.delete_adapter(model, "second")
        build.add_adapter(plain, model, "second")
        model.set_adapter("second")
        _fill(model, "second")
        logits_of.append(logits(model, data.probe(scenario)))
    identical("logits", {"all": logits_of[0]}, {"all": logits_of[1]})


BARE = {"architecture": ("llama", "gpt2"), "injection": tuple(Injection)}  # no adapter has copies


@clause("lifecycle.delete")
@crossing(Scenario(), **BARE)
def test_delete_beside_copies(scenario):
    """Where the active second adapter is deleted, the first one works and trains as before, with
    the copies of whole modules that it alone has.
    """
    _first_is_back(scenario, first={"modules_to_save": [scenario.family.head]}, second={})


@clause("lifecycle.delete")
@crossing(Scenario(), **BARE)
def test_delete_with_copies(scenario):
    """The same where the second one alone has copies: the base's own module is back."""
    _first_is_back(scenario, first={}, second={"modules_to_save": [scenario.family.head]})


@clause("lifecycle.delete")
@crossing(Scenario(injection="add_adapter"), architecture=AXES["architecture"])
def test_delete_several(scenario):
    """A list of adapters is deleted, each with its config: it can be added again."""
    model = injected(scenario)
    for name in ("second", "third"):
        build.add_adapter(scenario, model, name)
    compat.delete_adapter(model, ["second", "third"])
    same_names("adapters", model.peft_config, ["default"])
    build.add_adapter(scenario, model, "second")
    same_names("adapters", model.peft_config, ["default", "second"])


@clause("lifecycle.activate")
@crossing(Scenario(), **BARE)
def test_activate_beside_copies(scenario):
    """An adapter without copies works and trains alone, though the one before it has some."""
    model = injected(scenario, modules_to_save=[scenario.family.head])
    _fill(model, "default")
    before, asking = logits(model, data.probe(scenario)), trainable(model)
    build.add_adapter(scenario, model, "second")
    model.set_adapter("second")
    base = logits(build.base_model(scenario), data.probe(scenario))
    identical("logits of a fresh one", {"all": logits(model, data.probe(scenario))}, {"all": base})
    same_names("trainable", trainable(model), [n for n in _held(model) if "second" in n.split(".")])
    model.set_adapter("default")
    identical("logits", {"all": logits(model, data.probe(scenario))}, {"all": before})
    same_names("trainable", trainable(model), asking)


@clause("lifecycle.add")
@crossing(Scenario(), architecture=("bert", "llama-classes"))
def test_heads_of_a_second(scenario):
    """A classifier's second adapter trains a head of its own, though its config names none."""
    model, head = injected(scenario, modules_to_save=None), scenario.family.head
    build.add_adapter(scenario, model, "second", modules_to_save=None)
    model.set_adapter("second")
    heads = [name for name in trainable(model) if head in name.split(".")]
    require(bool(heads), "tensors of the head that train", heads, "some")
    same_names("heads that train", heads, [n for n in heads if "second" in n.split(".")])


def _first_is_back(scenario, first, second):
    model, probe = injected(scenario, **first), data.probe(scenario)
    _fill(model, "default")
    before, asking = logits(model, probe), trainable(model)
    build.add_adapter(scenario, model, "second", **second)
    model.set_adapter("second")
    compat.delete_adapter(model, "second")
    equal("active adapters", _active(model), ["default"])
    identical("logits", {"all": logits(model, probe)}, {"all": before})
    same_names("trainable", trainable(model), asking)


def _held(model):
    return [name for name, _ in model.named_parameters()]


def _fill(model, adapter):
    """Values of an adapter that are the same whatever was drawn before."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if adapter in name.split("."):
                values = torch.linspace(-0.1, 0.1, parameter.numel(), device=parameter.device)
                parameter.copy_(values.reshape(parameter.shape))


@clause("lifecycle.refused")
@crossing(Scenario(), **AXES)
def test_name_is_taken(scenario):
    """A second adapter of a name that is taken is refused, and the first one stays as it is."""
    _stays_as_it_is(scenario, "default", says="already exists")


@clause("lifecycle.refused")
@crossing(Scenario(), **AXES)
def test_nothing_to_sit_on(scenario):
    """A second adapter for modules that are not there is refused, and no trace of it is left."""
    _stays_as_it_is(scenario, "second", says="modules", target_modules=["nonesuch"])


def _stays_as_it_is(scenario, name, says, **changes):
    model = injected(scenario)
    _fill(model, "default")
    add = lambda: build.add_adapter(scenario, model, name, r=2, **changes)  # noqa: E731
    _refused("a second adapter", add, model, scenario, says)


@clause("lifecycle.refused")
@crossing(Scenario(), architecture=("llama", "gpt2", "bert"))
def test_merged_is_not_deleted(scenario):
    """An adapter that is merged is not deleted, which would leave it in the base for good."""
    model = injected(scenario)
    _fill(model, "default")
    build.add_adapter(scenario, model, "second")
    model.merge_adapter(adapter_names=["default"])
    _refused("deleting", lambda: model.delete_adapter("default"), model, scenario, says="merged")


def _refused(what, call, model, scenario, says):
    probe = data.probe(scenario)
    before, held, asking = logits(model, probe), tensors(model), trainable(model)
    configs = list(model.peft_config)
    refused(what, call, error=ValueError, says=says)
    identical("the model's tensors", tensors(model), held)
    identical("logits", {"all": logits(model, probe)}, {"all": before})
    equal("active adapters", _active(model), ["default"])
    same_names("trainable", trainable(model), asking)
    same_names("configs of adapters", model.peft_config, configs)
