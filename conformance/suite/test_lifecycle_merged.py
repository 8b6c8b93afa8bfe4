"""Chapter lifecycle: what is asked of a model while an adapter is merged, or of one by its name."""

from peft import PeftModel, get_peft_model

from conformance.checks.merging import logits_stay
from conformance.judging import empty, identical, same_names
from conformance.marks import clause, crossing
from conformance.running import build, data
from conformance.running.looking import logits, trainable
from conformance.scenarios import Scenario

WRAPPED = crossing(Scenario(), architecture=("llama", "gpt2"))


def _with_two(scenario, second="second"):
    """A model whose two adapters have been trained, as it were; what either gives, and the base."""
    model, probe, given = build.injected(scenario), data.probe(scenario), {}
    build.add_adapter(scenario, model, second)
    for name in ("default", second):
        model.set_adapter(name)
        build.move_adapter(model, by=0.05 if name == "default" else 0.1)
        given[name] = logits(model, probe)
    model.set_adapter("default")
    return model, given, logits(build.base_model(scenario), probe)


@clause("lifecycle.disable")
@WRAPPED
def test_disable_merged(scenario):
    """Disabled while it is merged, an adapter is out of the base. Tolerance: as of unmerging."""
    model, given, base = _with_two(scenario)
    model.merge_adapter()
    logits_stay(logits(model, data.probe(scenario)), given["default"])
    with model.disable_adapter():
        logits_stay(logits(model, data.probe(scenario)), base)


@clause("lifecycle.activate")
@WRAPPED
def test_activate_beside_a_merged_one(scenario):
    """Another adapter that is activated acts alone, though one is merged, and trains alone."""
    model, given, _ = _with_two(scenario)
    model.merge_adapter()
    model.set_adapter("second")
    logits_stay(logits(model, data.probe(scenario)), given["second"])
    own = [name for name, _ in model.named_parameters() if ".second." in name]
    same_names("what asks for gradients", trainable(model), own)


@clause("lifecycle.merge")
@WRAPPED
def test_merge_by_name(scenario):
    """`merge_and_unload` merges the adapters that it is told, and not the active one."""
    model, given, _ = _with_two(scenario)
    merged = model.merge_and_unload(adapter_names=["second"])
    logits_stay(logits(merged, data.probe(scenario)), given["second"])


@clause("lifecycle.delete")
@WRAPPED
def test_delete_whose_name_comes_first(scenario):
    """Deleting the active adapter activates one that is left, whatever the names sort like."""
    model, given, _ = _with_two(scenario, second="another")
    model.set_adapter("another")
    model.delete_adapter("another")
    got = {"logits": logits(model, data.probe(scenario))}
    identical("logits", got, {"logits": given["default"]})
    own = [name for name, _ in model.named_parameters() if ".default." in name]
    same_names("what asks for gradients", trainable(model), own)


@clause("lifecycle.load")
@WRAPPED
def test_load_a_further_one_to_train(scenario, folder):
    """Loaded beside another with `is_trainable=True` all of an adapter asks for gradients, and
    activated it alone.
    """
    build.injected(scenario).save_pretrained(folder)
    model = build.injected(scenario)
    model.load_adapter(folder, "second", is_trainable=True)
    own = [name for name, _ in model.named_parameters() if ".second." in name]
    empty("what is frozen of it", sorted(set(own) - set(trainable(model))))
    model.set_adapter("second")
    same_names("what asks for gradients", trainable(model), own)


@clause("lifecycle.load")
@crossing(Scenario(), architecture=("llama", "bert"))
def test_load_one_named_like_a_module(scenario, folder):
    """Saved under a name that is a module's as well, an adapter loads under any other."""
    name = build.base_name(next(iter(trainable(build.injected(scenario))))).split(".")[0]
    model = get_peft_model(build.base_model(scenario), build.adapter_config(scenario), name)
    expected = logits(build.move_adapter(model), data.probe(scenario))
    model.save_pretrained(folder)
    loaded = PeftModel.from_pretrained(build.base_model(scenario), folder / name)
    got = {"logits": logits(loaded, data.probe(scenario))}
    identical("logits of what was loaded", got, {"logits": expected})
