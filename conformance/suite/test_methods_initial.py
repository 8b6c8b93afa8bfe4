"""Chapter methods: what a fresh adapter gives, and LoRA that begins with a part of the base."""

import pytest
from peft import PeftModel

from conformance import compat
from conformance.checks.injection import with_a_second
from conformance.judging import changed, close_tensors, equal, identical, same_names
from conformance.marks import clause, crossing, scenarios
from conformance.running import build, data, trainers
from conformance.running.looking import logits, tensors, trainable
from conformance.scenarios import METHODS, Injection, Scenario, core_families, family

SPLIT = ("pissa", "olora")
DRAWN = ("orthogonal", "mica")
SAVING = Scenario(save="steps", max_steps=4, examples=8)
IN_TWO = 2 * 12 * 2**-23
"""A weight that is split in two and added up again is off by a rounding, 2^-23, of either part, and
so is what each of a dozen operations hands on."""


def _fresh(scenario, kind):
    try:
        return build.injected(scenario, init_lora_weights=kind)
    except ValueError as error:  # a kind that this release does not know
        raise compat.Unavailable(str(error)) from error


def _base(model):
    return {name: held for name, held in tensors(model).items() if ".lora_" not in name}


@clause("methods.initializations")
@pytest.mark.parametrize("kind", (*SPLIT, *DRAWN))
@crossing(Scenario(), architecture=("llama", "bert"), injection=tuple(Injection))
def test_begins_as_base(scenario, kind):
    """Before it is trained the model gives what its base gave, within `IN_TWO`."""
    _gives_what_the_base_gave(scenario, kind)


@clause("methods.initializations")
@pytest.mark.parametrize("kind", ("pissa", *DRAWN))
@crossing(Scenario(architecture="gpt2"), injection=tuple(Injection))
def test_begins_as_base_turned(scenario, kind):
    """The same of layers that keep their weights turned."""
    _gives_what_the_base_gave(scenario, kind)


@clause("methods.initializations")
@crossing(Scenario(architecture="gpt2"), injection=tuple(Injection))
def test_olora_begins_as_base_turned(scenario):
    """The same of OLoRA."""
    _gives_what_the_base_gave(scenario, "olora")


def _gives_what_the_base_gave(scenario, kind):
    model, base, probe = _fresh(scenario, kind), build.base_model(scenario), data.probe(scenario)
    expected = {"logits": logits(base, probe)}
    close_tensors("logits", {"logits": logits(model, probe)}, expected, IN_TWO)


@clause("methods.initializations")
@pytest.mark.parametrize("kind", (*SPLIT, *DRAWN))
@crossing(Scenario(), injection=tuple(Injection))
def test_activated_again(scenario, kind):
    """Activated again, the adapter trains what it trained: of MiCA one matrix of two."""
    model = _fresh(scenario, kind)
    asking = trainable(model)
    held = [name for name, _ in model.named_parameters() if ".lora_" in name]
    equal("matrices that train", len(asking), len(held) // (2 if kind == "mica" else 1))
    model.set_adapter(scenario.recipe.name)
    same_names("what asks for gradients", trainable(model), asking)


@clause("methods.initializations")
@pytest.mark.parametrize("kind", (*SPLIT, *DRAWN))
@crossing(Scenario(), architecture=("llama", "bert"), injection=tuple(Injection))
def test_loads_back(scenario, folder, kind):
    """What is saved gives, on the base that it was taken out of, exactly the logits it had."""
    model, probe = build.move_adapter(_fresh(scenario, kind)), data.probe(scenario)
    expected = {"logits": logits(model, probe)}
    changed("the adapter", {"logits": logits(build.base_model(scenario), probe)}, expected)
    model.save_pretrained(str(folder))
    loaded = build.base_model(scenario)
    if scenario.native:
        loaded.load_adapter(str(folder))
    else:
        loaded = PeftModel.from_pretrained(loaded, str(folder))
    identical("logits as loaded", {"logits": logits(loaded, probe)}, expected)


CONVERTED = ("plain", "rslora", "patterns")


@clause("methods.initializations")
@pytest.mark.parametrize("kind", SPLIT)
@pytest.mark.parametrize("way", CONVERTED)
@crossing(Scenario())
def test_converted(scenario, folder, kind, way):
    """Saved with `path_initial_model_for_weight_conversion` it is a LoRA on the whole base that
    gives what it gave, within `IN_TWO` of the parts that are taken out and put back.
    """
    first = scenario.family.attention[0]
    patterns = {"rank_pattern": {first: 2}, "alpha_pattern": {first: 6}}
    told = {"plain": {}, "rslora": {"use_rslora": True}, "patterns": patterns}[way]
    _gives_the_same_converted(scenario, folder, kind, **told)


@clause("methods.initializations")
@pytest.mark.parametrize("kind", SPLIT)
@crossing(Scenario(architecture="bert"))
def test_converted_with_a_head(scenario, folder, kind):
    """The same of an adapter that trains a copy of the head."""
    _gives_the_same_converted(scenario, folder, kind)


def _gives_the_same_converted(scenario, folder, kind, **told):
    model, probe = build.injected(scenario, init_lora_weights=kind, **told), data.probe(scenario)
    model.peft_config["default"].init_lora_weights = True  # so that it is loaded as it was saved
    model.save_pretrained(str(folder / "initial"))
    build.move_adapter(model)
    expected = {"logits": logits(model, probe)}
    model.peft_config["default"].init_lora_weights = kind
    where = str(folder / "converted")
    model.save_pretrained(where, path_initial_model_for_weight_conversion=str(folder / "initial"))
    loaded = PeftModel.from_pretrained(build.base_model(scenario), where)
    close_tensors("logits", {"logits": logits(loaded, probe)}, expected, IN_TWO)


@clause("methods.initializations")
@pytest.mark.parametrize("kind", SPLIT)
@crossing(SAVING, architecture=("llama", "bert"))
def test_trains_and_resumes(trainer_class, scenario, folder, kind):
    """What is left of the base keeps its bits, and a resume in fresh objects ends as the whole."""
    ends = []
    for checkpoint in (None, str(folder / "checkpoint-2")):
        model = _fresh(scenario, kind)
        rest = _base(model)
        trainer = trainers.trainer(trainer_class, scenario, folder, model=model)
        trainer.train(resume_from_checkpoint=checkpoint)
        equal("steps", trainer.state.global_step, scenario.steps)
        ends.append(tensors(model))
        kept = {name: held for name, held in _base(model).items() if "modules_to_save" not in name}
        identical("what is left of the base", kept, {name: rest[name] for name in kept})
    identical("the resumed model", ends[1], ends[0])


# ---- methods other than LoRA ----------------------------------------------------------------

# Prompts, prefixes and what begins with values drawn at random are something from the first.
DRAWN_METHODS = {
    "c3a",
    "cartridge",
    "cpt",
    "fourierft",
    "multitask-prompt",
    "p-tuning",
    "prefix-projection",
    "prefix-tuning",
    "prompt-tuning",
    "unilora",
    "vblora",
    "xlora",
}


def neutral(profile):
    """Each method that begins as its base, on a family that it fits; in full on each, both ways."""
    full = profile.strength > 2
    for name in sorted(METHODS.keys() - DRAWN_METHODS):
        fitting = [n for n in core_families() if METHODS[name].fits(family(n))]
        for architecture in fitting if full else fitting[:1]:
            for injection in Injection if full and METHODS[name].native else (Injection.WRAPPED,):
                yield Scenario(adapter=name, architecture=architecture, injection=injection)


@clause("methods.begins-as-base")
@scenarios(neutral)
def test_method_begins_as_base(scenario):
    """A fresh adapter of the method gives what its base gives, within `IN_TWO`."""
    plain = scenario.but(adapter="lora")  # whose batches carry no numbers of tasks
    got = {"logits": logits(build.injected(scenario), data.probe(scenario))}
    expected = {"logits": logits(build.base_model(plain), data.probe(plain))}
    close_tensors("logits", got, expected, IN_TWO)


@clause("methods.begins-as-base")
@scenarios(neutral)
def test_second_begins_as_base(scenario):
    """So does a fresh second one beside one that was trained."""
    plain = scenario.but(adapter="lora")
    model = with_a_second(scenario, build.move_adapter(build.injected(scenario)))
    model.set_adapter("second")
    got = {"logits": logits(model, data.probe(scenario))}
    expected = {"logits": logits(build.base_model(plain), data.probe(plain))}
    close_tensors("logits of the second", got, expected, IN_TWO)
