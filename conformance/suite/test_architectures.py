"""Chapter architectures: the core clauses hold for every family of models."""

from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back
from conformance.checks.checkpointing import same_run
from conformance.checks.frozen import (
    adapter_moves,
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.checks.injection import sits_on, trains_the_adapter_alone
from conformance.checks.reference import follows_the_reference
from conformance.checks.resume import continues
from conformance.judging import close, equal, identical, refused, same_names
from conformance.marks import clause, scenarios
from conformance.running import build
from conformance.scenarios import Injection, Scenario, crossed, families, family, kinds

BOTH = tuple(Injection)
BASE = Scenario(examples=3, save="steps")  # steps of 2 and 1 examples
WIDE = 3  # the strength of a profile that is not sparing
MEAN = 1e-6  # a mean of two float32 values, in relation to them (see `conformance.oracle`)
SMOOTHED = 1e-4  # what smoothing changes a loss by at least, far above rounding


def every_family(base=BASE, where=lambda _: True, sparing=lambda _: True):
    """Meet each family (for which ``where`` holds) with one injection, in turn; one alone of its
    kind with both. A profile that is not sparing meets all with both.
    """

    def choose(profile):
        for names in kinds().values():
            both = profile.strength >= WIDE or len(names) == 1
            for place, name in enumerate(filter(lambda name: where(family(name)), names)):
                for injection in BOTH if both else [BOTH[place % 2]]:
                    scenario = base.but(architecture=name, injection=injection)
                    if profile.strength >= WIDE or sparing(scenario):
                        yield scenario

    return scenarios(choose)


def wrapped(base=BASE, names=(), **values):
    """Meet each of these families (all, unless given) wrapped, each field with its first value; in
    full all families, with both injections and every combination of values.
    """

    def choose(profile):
        axes = {"architecture": names or families(), "injection": BOTH[:1]}
        first = {name: choices[:1] for name, choices in values.items()}
        if profile.strength >= WIDE:
            axes, first = {"architecture": families(), "injection": BOTH}, values
        axes |= first
        return crossed(len(axes), axes, base)

    return scenarios(choose)


def one_of_each():
    """The first family of each kind and task."""
    found = {(family(n).kind, family(n).task): n for n in reversed(families())}
    return sorted(found.values())


# ---- one training of each -------------------------------------------------------------------


@clause("architectures.every-family")
@every_family()
def test_every_family(observation):
    """A training with an adapter ends, trains the adapter and reports what was done."""
    sits_on(observation, observation.scenario.family.attention)
    trains_the_adapter_alone(observation)
    adapter_moves(observation)
    output = observation.output
    equal("steps taken", [step.number for step in observation.steps], [1, 2])
    equal("global_step", output.global_step, 2)
    mean = sum(step.loss for step in observation.steps) / 2
    close("training_loss", output.training_loss, mean, MEAN)
    equal("epoch", output.metrics["epoch"], 1.0)


@clause("architectures.frozen")
@every_family()
def test_frozen(observation):
    """The base keeps its bits and its settings, holds no gradient and is not optimized."""
    base_stays(observation)
    settings_kept(observation)
    no_base_gradient(observation)
    optimizer_holds_the_adapter(observation)


@clause("architectures.disabled")
@every_family()
def test_disabled(observation):
    """With the adapter disabled the model gives what the base gave before training."""
    observation.completed()
    before, after = observation.base_logits, observation.disabled_logits
    identical("outputs with the adapter disabled", {"outputs": after}, {"outputs": before})
    adapter_moves(observation)


@clause("architectures.checkpoint")
@every_family()
def test_checkpoint(observation):
    """Checkpoints hold the adapter, all of it and nothing else, and load back exactly."""
    holds_no_base(observation)
    equal("checkpoints", [save.step for save in observation.saves], [1, 2])
    for save in observation.saves:
        holds_the_adapter(observation, save)
    load_back(observation)
    adapter_moves(observation)


@clause("architectures.resume")
@every_family(sparing=lambda scenario: not scenario.native)
def test_resume(runs, scenario):
    """A resumed training ends exactly as the uninterrupted one."""
    continues(runs.train(scenario), runs.resume(scenario, 1))


# ---- the loss -------------------------------------------------------------------------------


@clause("architectures.loss")
@every_family()
def test_loss_reference(runs, observation):
    """Batches, losses, gradients and weights of every step are those of the hand-written loop."""
    follows_the_reference(runs, observation)


@clause("architectures.accumulation")
@wrapped(Scenario(examples=5, accumulation=3))
def test_accumulation_reference(runs, observation):
    """Micro-batches of 2, 2 and 1 examples take the step of one batch of 5."""
    follows_the_reference(runs, observation)
    equal("micro-batches a step", [len(s.micro_batches) for s in observation.steps], [3])


@clause("architectures.smoothing")
@wrapped(Scenario(examples=2, label_smoothing=0.2), one_of_each())
def test_smoothing_reference(runs, observation):
    """Label smoothing is of the labels that the model is trained on, where it predicts them.

    A loss function of one's own is not smoothed.
    """
    follows_the_reference(runs, observation)
    plain = runs.reference(observation.scenario.but(label_smoothing=0.0))
    apart = abs(plain.steps[0].loss - observation.first.loss)
    smoothed = observation.scenario.task.of_its_own
    equal("smoothing changes the loss", apart > SMOOTHED, smoothed)


# ---- memory ---------------------------------------------------------------------------------


@clause("architectures.gradient-checkpointing")
@wrapped(
    Scenario(examples=3),
    one_of_each(),
    gradient_checkpointing=("reentrant", "non-reentrant"),
)
def test_gradient_checkpointing(runs, scenario):
    """With gradient checkpointing the same is trained as without it, all of the adapter."""
    checkpointed = runs.train(scenario)
    for step in checkpointed.steps:
        where = f"parameters with a gradient in step {step.number}"
        same_names(where, step.gradients, checkpointed.trainable)
    same_run(runs.train(scenario.but(gradient_checkpointing="", save="steps")), checkpointed)
    adapter_moves(checkpointed)


# ---- where adapters go when nobody says -----------------------------------------------------

NO_TARGETS = Scenario(adapter="default-targets", examples=2)


@clause("architectures.default-targets")
@every_family(NO_TARGETS, lambda about: about.default_targets and not about.core)
def test_default_targets(observation):
    """`target_modules=None` puts adapters on the modules documented for the architecture.

    Core families are met by `injection.default-targets`.
    """
    sits_on(observation, observation.scenario.family.default_targets)
    adapter_moves(observation)


@clause("architectures.default-targets")
@every_family(NO_TARGETS, lambda about: not about.default_targets)
def test_unknown_targets_refused(scenario):
    """Where none are documented `target_modules=None` is refused."""
    base = build.base_model(scenario)
    before = {name: id(module) for name, module in base.named_modules()}
    refused(
        "an adapter without targets",
        lambda: build.inject(scenario, base, seed=1),
        error=ValueError,
        says="target_modules",
    )
    after = {name: id(module) for name, module in base.named_modules()}
    equal("the model refused", after, before)
