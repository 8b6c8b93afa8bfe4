"""Chapter injection: how an adapter gets into the model that is trained."""

import re
from functools import partial

from conformance.checks.trying import ERROR, tried
from conformance.judging import changed, equal, identical, refused, require, same_names
from conformance.marks import clause, crossing, sweep
from conformance.running.build import adapter_arguments, base_model, base_name
from conformance.scenarios import Injection, Scenario, core_families

EQUIVALENT_RECIPES = ("lora", "dora", "lora-dropout", "modules-to-save", "rank-pattern")


@clause("injection.get-peft-model")
@sweep(lambda scenario: not scenario.native)
def test_get_peft_model(observation):
    """A model from `get_peft_model` trains its adapter, all of it, and nothing else."""
    equal("the model trained", observation.model_class[:9], "PeftModel")
    _trains_the_adapter(observation)


@clause("injection.add-adapter")
@sweep(lambda scenario: scenario.native)
def test_add_adapter(observation):
    """A Transformers model after `add_adapter` trains its adapter, all of it, and nothing else."""
    require("Peft" not in observation.model_class, "the model", observation.model_class, "plain")
    _trains_the_adapter(observation)


def _trains_the_adapter(observation):
    scenario, recipe = observation.scenario, observation.scenario.recipe
    adapters = set(observation.adapters_before)
    parameters = set(observation.parameters_before)
    active = {n for n in adapters & parameters if not _belongs_to(n, recipe.inactive)}
    base = {n for n in parameters - adapters if "original_module" not in n}
    documented = {n for n in base if recipe.trains_base(scenario.family, base_name(n))}
    _sits_where_it_was_put(observation)
    same_names("the trainable parameters", observation.trainable, active | documented)
    moved = {n: t for n, t in observation.adapters_before.items() if "lora_B" in n and n in active}
    changed("training the adapter", moved, observation.adapters_after)


def _sits_where_it_was_put(observation):
    scenario = observation.scenario
    wanted = adapter_arguments(scenario)["target_modules"] or list(scenario.family.default_targets)
    modules = {n.rpartition(".")[0] for n in observation.base_before if n.endswith(".weight")}
    if isinstance(wanted, list):
        expected = {name for name in modules if name.rpartition(".")[2] in wanted}
    elif wanted == "all-linear":
        expected = {name for name in modules if _projects(scenario, observation.base_before, name)}
    else:
        expected = {name for name in modules if re.fullmatch(wanted, name)}
    targeted = {name for name in _targeted(observation) if not name.endswith(".experts")}
    same_names("modules with an adapter", targeted, expected)


def _projects(scenario, base, name):
    """Linear layers have matrices, but so have embeddings; the head is not counted among them.
    Experts that are fused into one parameter are no linear layers, and may have an adapter or not.
    """
    left_out = ("embed", scenario.family.embedding, "wpe", "relative_attention_bias", "lm_head")
    head = scenario.family.head if scenario.family.saves_head else "lm_head"
    matrix = base[f"{name}.weight"].dim() == 2
    return matrix and not any(part in name for part in (*left_out, head))


def _targeted(observation):
    return {
        base_name(n.split(".lora_A.")[0]) for n in observation.adapters_before if ".lora_A." in n
    }


def _belongs_to(name, adapters):
    return any(adapter in name.split(".") for adapter in adapters)


@clause("injection.equivalent")
@crossing(
    Scenario(accumulation=2, weight_decay=0.1, max_steps=3),
    architecture=core_families(),
    adapter=EQUIVALENT_RECIPES,
)
def test_equivalent(runs, scenario):
    """Both ways of injecting, with the same first weights and seed, train to the same adapter."""
    wrapped = runs.train(scenario)
    native = runs.train(scenario.but(injection=Injection.NATIVE))
    identical(
        "the adapters as injected", _plain(native.adapters_before), _plain(wrapped.adapters_before)
    )
    identical(
        "the adapters as trained", _plain(native.adapters_after), _plain(wrapped.adapters_after)
    )
    changed("training", native.steps[0].after.adapter, native.steps[-1].after.adapter)
    equal("losses", [s.loss for s in native.steps], [s.loss for s in wrapped.steps])


def _plain(tensors):
    return {name.removeprefix("base_model.model."): tensor for name, tensor in tensors.items()}


@clause("injection.default-targets")
@crossing(Scenario(adapter="default-targets"), architecture=core_families(), injection=Injection)
def test_default_targets(observation):
    """`target_modules=None` puts adapters on the modules documented for the architecture."""
    _sits_where_it_was_put(observation)
    kinds = {name.rpartition(".")[2] for name in _targeted(observation)}
    equal("kinds of modules", kinds, set(observation.scenario.family.default_targets))


@clause("injection.empty-rank-refused")
@crossing(Scenario(), injection=tuple(Injection))
def test_empty_rank_refused(scenario):
    """A rank of no rows is refused as what it is, for one module as for all."""
    from peft import LoraConfig, get_peft_model

    add = type(base_model(scenario)).add_adapter if scenario.native else get_peft_model
    for given in ({"r": 0}, {"r": -1}, {"rank_pattern": {"q_proj": 0}}):
        config = LoraConfig(**given, target_modules=["q_proj"], task_type="CAUSAL_LM")
        base = base_model(scenario)
        with tried("rank of nothing") as got:
            act = partial(add, base, config)
            refused(str(given), act, error=ValueError, says="positive")
            got(ERROR)
