"""Chapter loop: how an optimizer step changes the weights: clipping and decay."""

import torch
from peft import LNTuningConfig, get_peft_model

from conformance.checks.reference import NOISE
from conformance.judging import (
    changed,
    close,
    close_tensors,
    empty,
    equal,
    identical,
    norm,
    paired,
    require,
    same_names,
)
from conformance.marks import clause, crossing, native_in_full, scenarios, sweep
from conformance.running import build, data, trainers
from conformance.running.build import base_name
from conformance.running.looking import trainable
from conformance.scenarios import Injection, Scenario, families

BOTH = tuple(Injection)


@clause("loop.clipping")
@sweep()
def test_clipping(observation):
    """The optimizer gets gradients of at most `max_grad_norm`, else untouched, in their direction.

    Tolerance: the norm is a float32 sum of some hundred squares, and 1e-6 is added to it before
    it divides: 1e-4 in all.
    """
    most = observation.scenario.max_grad_norm
    for step in observation.steps:
        before = norm(step.gradients)
        factor = min(1.0, most / (before + 1e-6))
        scaled = {name: gradient * factor for name, gradient in step.gradients.items()}
        close_tensors(f"clipped gradients of step {step.number}", step.clipped, scaled, 1e-4)


@clause("loop.clipping")
@sweep(lambda scenario: scenario.logging_steps == 1)
def test_logged_norm(observation):
    """The logged `grad_norm` is the norm before clipping."""
    for step, entry in paired("steps and logs", observation.steps, observation.logs):
        where = f"grad_norm logged at step {step.number}"
        before = norm(step.gradients)
        close(where, entry["grad_norm"] / before, 1.0, 1e-4, "norm_distance")


@clause("loop.clipping")
@crossing(max_grad_norm=(0.01, 1e6), injection=BOTH)
def test_clipping_bites(scenario, observation):
    """A small limit is reached in every step, a large one never touches a gradient."""
    for step in observation.steps:
        if scenario.max_grad_norm > 1:
            identical("gradients below the limit", step.clipped, step.gradients)
        else:
            close("the norm at the limit", norm(step.clipped) / scenario.max_grad_norm, 1.0, 1e-4)


@clause("loop.weight-decay")
@sweep()
def test_weight_decay_groups(observation):
    """Decay is set for all trainable parameters but biases and those of norms, and only there."""
    decay = observation.scenario.weight_decay
    decayed = {name for g in observation.groups if g.weight_decay for name in g.names}
    expected = {name for name in observation.trainable if not _spared(observation, name)}
    same_names("parameters with decay", decayed, expected if decay else set())
    rates = {group.weight_decay for group in observation.groups if group.weight_decay}
    equal("the decay", rates, {decay} if decay and expected else set())


def _spared(observation, name):
    owner = base_name(name.replace("modules_to_save.default.", "")).rpartition(".")[0]
    normed = observation.scenario.family.head in ("ln_f", "final_layer_norm")
    return "bias" in name or (normed and owner.endswith(observation.scenario.family.head))


@clause("loop.weight-decay")
@scenarios(
    [
        Scenario(
            optimizer="sgd", weight_decay=0.5, learning_rate=0.1, adapter=adapter, architecture=name
        )
        for adapter in ("modules-to-save", "bias-all")
        for name in ("llama", "gpt2", "bert")
    ]
)
def test_weight_decay_acts(observation):
    """A step of gradient descent moves decayed weights by rate x decay x weight, and others not.

    Tolerance: three float32 roundings of a sum of two terms.
    """
    before, rate = observation.start.adapter, observation.steps[0].learning_rates[0]
    step = observation.steps[0]
    for name, weight in before.items():
        decay = 0.0 if _spared(observation, name) else observation.scenario.weight_decay
        gradient = step.clipped.get(name)
        moved = decay * weight + (0 if gradient is None else gradient)
        expected = weight - rate * moved if gradient is not None else weight
        close_tensors(
            f"{name} after a step", {name: step.after.adapter[name]}, {name: expected}, 1e-6
        )
    loud = [n for n, g in step.clipped.items() if norm({n: g}) > NOISE * norm(step.clipped)]
    changed("the first step", {name: before[name] for name in loud}, step.after.adapter)


@clause("loop.weight-decay")
@crossing(Scenario(weight_decay=0.5), architecture=families())
def test_norms_are_spared(trainer_class, scenario, folder):
    """Where a model's norms are all that is trained, of whichever class and name, none decays."""
    base = build.base_model(scenario)
    norms = [n for n, module in base.named_modules() if "Norm" in type(module).__name__]
    model = get_peft_model(base, LNTuningConfig(target_modules=norms))
    optimizer = trainers.trainer(trainer_class, scenario, folder, model=model).create_optimizer()
    groups = [(g["weight_decay"], {id(p) for p in g["params"]}) for g in optimizer.param_groups]
    decayed = set().union(*(ids for decay, ids in groups if decay))
    asking = [(n, id(p)) for n, p in trainable(model).items()]
    require(bool(asking), "trained norms", asking, "some")
    empty("norms that decay", [name for name, identity in asking if identity in decayed])


@clause("loop.training-mode")
@sweep()
def test_training_mode(observation):
    """Each forward pass of the training is made in training mode, by all modules."""
    modes = [m.training for step in observation.steps for m in step.micro_batches]
    equal("forward passes, all in training mode", set(modes), {True})


@clause("loop.training-mode")
@native_in_full(Scenario(evaluate="steps", dropout=0.2))
def test_training_mode_after_evaluations(trainer_class, scenario, folder):
    """The same where the model was handed over in evaluation mode, and after evaluations."""
    model = build.inject(scenario, build.base_model(scenario), seed=1).eval()
    modes = []

    def look(module, given):
        modes.append((torch.is_grad_enabled(), all(m.training for m in module.modules())))

    evaluated = data.evaluation_examples(scenario)
    trainer = trainers.trainer(trainer_class, scenario, folder, model=model, evaluated=evaluated)
    handle = model.register_forward_pre_hook(look)
    trainer.train()
    handle.remove()
    equal("with gradients, in training mode", set(modes), {(True, True), (False, False)})
    equal("training passes", sum(trained for trained, _ in modes), scenario.steps)
