"""Chapter methods: what holds for LoRA holds for every method that peft registers."""

import pytest

from conformance import compat
from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back
from conformance.checks.checkpointing import same_first_step
from conformance.checks.frozen import (
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
    what_is_driven_moves,
)
from conformance.checks.resume import continues, points
from conformance.judging import changed, equal, identical, note, refused, require
from conformance.marks import clause, scenarios
from conformance.running import build, data
from conformance.running.looking import logits
from conformance.scenarios import (
    METHODS,
    PROFILES,
    RECIPES,
    Injection,
    Scenario,
    core_families,
    family,
)

EACH = {"lora": RECIPES["lora"], **METHODS}
SHORT = Scenario(save="steps", save_steps=2, examples=6, max_steps=4)
REGISTERED = sorted({*compat.registered_methods(), *(recipe.method for recipe in EACH.values())})


def every_method(profile):
    """Every recipe on one family, wrapped; in full both ways, where it can be, on all it fits.

    In quick every other method that `add_adapter` takes is added by it instead.
    """
    full = profile.strength > 2
    short = SHORT.but(save_steps=1) if full else SHORT
    return [
        short.but(adapter=name, injection=injection, architecture=architecture)
        for number, (name, recipe) in enumerate(EACH.items())
        for injection in _ways(recipe, profile, number)
        for architecture in _families(recipe, None if full else sum(map(ord, name)))
    ]


def _ways(recipe, profile, number):
    if not recipe.native or profile.strength == 1:
        return (Injection.WRAPPED,)
    both = tuple(Injection)
    return both if profile.strength > 2 else both[number % 2 :][:1]


def _families(recipe, turn):
    """The core families that a recipe fits, or the one of them whose turn it is."""
    fitting = [name for name in core_families() if recipe.fits(family(name))]
    return fitting if turn is None else [fitting[turn % len(fitting)]]


# ---- they are all there, and train ----------------------------------------------------------


@clause("methods.every-registered")
@pytest.mark.parametrize("method", REGISTERED)
def test_is_covered(method):
    """A method that peft registers has a recipe, with the config class that is registered."""
    registered = compat.registered_methods()
    recipes = [recipe for recipe in EACH.values() if recipe.method == method]
    if not recipes:
        raise compat.Unavailable(f"no recipe for method {method}")
    for recipe in recipes:
        config = build.adapter_config(_plainest(recipe))
        equal("the method of its config", config.peft_type.value, method)
        equal("the config registered", registered[method].__name__, recipe.config)
    note(registered=len(registered), recipes=len(recipes))


def _plainest(recipe):
    """A scenario of a recipe, on the first family that it fits."""
    (name,) = (name for name, each in EACH.items() if each is recipe)
    return SHORT.but(adapter=name, architecture=_families(recipe, 0)[0])


@clause("methods.every-registered")
@scenarios(every_method)
def test_trains(observation):
    """All of the adapter is in the optimizer and moves; logits change and stay finite."""
    optimizer_holds_the_adapter(observation)
    what_is_driven_moves(observation)
    changed("training", {"logits": observation.base_logits}, {"logits": observation.logits})
    require(bool(observation.logits.isfinite().all()), "logits", "not finite", "finite")


# ---- the base stays -------------------------------------------------------------------------


@clause("methods.frozen")
@scenarios(every_method)
def test_base_stays(observation):
    """The base keeps its bits and holds no gradient; what asks for gradients does not change."""
    base_stays(observation)
    no_base_gradient(observation)
    settings_kept(observation)


@clause("methods.disabled")
@scenarios(every_method)
def test_disabled(observation):
    """With the adapter disabled the logits are those of the base before training."""
    observation.completed()
    off, base, on = (
        {"logits": found}
        for found in (observation.disabled_logits, observation.base_logits, observation.logits)
    )
    identical("logits with the adapter disabled", off, base)
    changed("training the adapter", base, on)


# ---- checkpoints and resumes ----------------------------------------------------------------


@clause("methods.checkpoint")
@scenarios(every_method)
def test_checkpoint(observation):
    """A checkpoint holds what peft names for the adapter, and no base weight."""
    for save in observation.saves:
        holds_the_adapter(observation, save)
    holds_no_base(observation)


@clause("methods.round-trip")
@scenarios(every_method)
def test_round_trip(observation):
    """A checkpoint loaded onto a fresh base gives the trained model's logits at that step."""
    load_back(observation)
    changed("training", {"logits": observation.base_logits}, {"logits": observation.logits})


@clause("methods.resume")
@scenarios(every_method)
def test_resume(runs, profile, scenario):
    """Resumed with fresh objects, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    for step in points(full, profile):
        continues(full, runs.resume(scenario, step))


@clause("methods.resume")
@scenarios(
    [SHORT.but(adapter="adalora", architecture=name, save_steps=1) for name in ("llama", "t5")]
)
def test_resume_pruned(runs, scenario):
    """The same for AdaLoRA from a checkpoint that it has begun to prune ranks before."""
    continues(runs.train(scenario), runs.resume(scenario, 3))


def checkpointed(profile):
    """A step of each under gradient checkpointing; in smoke of some, in full those of quick
    re-entrantly as well.
    """
    some = every_method(profile)[:: 8 if profile.name == "smoke" else 1]
    each = [(scenario, "non-reentrant") for scenario in some]
    if profile.strength > 2:
        each += [(scenario, "reentrant") for scenario in every_method(PROFILES["quick"])]
    return [
        scenario.but(max_steps=1, save="no", save_steps=1, gradient_checkpointing=mode)
        for scenario, mode in each
    ]


@clause("methods.gradient-checkpointing")
@scenarios(checkpointed)
def test_gradient_checkpointing(runs, scenario):
    """Under gradient checkpointing loss and gradients are those without it."""
    same_first_step(runs.train(scenario.but(gradient_checkpointing="")), runs.train(scenario))


# ---- what cannot be added natively ----------------------------------------------------------

REFUSED = [
    Scenario(adapter=name, injection="add_adapter", architecture=_families(recipe, 0)[0])
    for name, recipe in METHODS.items()
    if not recipe.native
]


@clause("methods.native-refused")
@scenarios(REFUSED)
def test_native_refused(scenario):
    """`add_adapter` says that it does not support the method."""
    _refused(scenario, build.base_model(scenario))


@clause("methods.refused-model-usable")
@scenarios(REFUSED)
def test_refused_model_usable(scenario):
    """The model that refused takes LoRA next, and is the base but for that."""
    model, probe = build.base_model(scenario), data.probe(scenario.but(adapter="lora"))
    before = {"logits": logits(model, probe)}
    _refused(scenario, model)
    build.inject(scenario.but(adapter="lora"), model, seed=1)
    identical("logits with an untrained adapter", {"logits": logits(model, probe)}, before)


def _refused(scenario, model):
    config = build.adapter_config(scenario)
    compat.require_refusal(config)
    refused(
        f"add_adapter of {scenario.recipe.method}",
        lambda: model.add_adapter(config),
        error=ValueError,
        says="does not support",
    )
