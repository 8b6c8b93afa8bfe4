"""Chapter loop: the training loop itself, against a hand-written one."""

from hypothesis import given

from conformance import oracle
from conformance.checks.reference import NOISE, follows_the_reference
from conformance.judging import (
    changed,
    close,
    close_tensors,
    equal,
    identical,
    norm,
    paired,
    require,
    same_names,
)
from conformance.marks import clause, crossing, scenarios, sweep
from conformance.running import reference
from conformance.running.build import base_name
from conformance.scenarios import Injection, Scenario, core_families
from conformance.scenarios.strategies import followed, trainings

BOTH = tuple(Injection)


# ---- the whole loop -------------------------------------------------------------------------


@clause("loop.reference")
@sweep(oracle.follows)
def test_reference(runs, observation):
    """The whole run agrees, step by step, with a hand-written PyTorch loop."""
    follows_the_reference(runs, observation)


@clause("loop.reference")
@crossing(
    Scenario(optimizer="sgd", learning_rate=0.3, weight_decay=0.1), architecture=core_families()
)
def test_sgd_reference(runs, observation):
    """The same with plain gradient descent, which hides no wrong scale."""
    follows_the_reference(runs, observation)


@clause("loop.reference")
@given(scenario=followed())
def test_generated(runs, tolerating, scenario):
    """The same for any training."""
    with tolerating(scenario):
        follows_the_reference(runs, runs.train(scenario))


# ---- its length -----------------------------------------------------------------------------

LENGTHS = {
    Scenario(examples=10, batch_size=2): 5,
    Scenario(examples=10, batch_size=2, accumulation=2): 3,
    Scenario(examples=10, batch_size=3, accumulation=2, epochs=2.0): 4,
    Scenario(examples=10, batch_size=3, drop_last=True, epochs=2.0): 6,
    Scenario(examples=10, batch_size=2, epochs=2.5): 13,
    Scenario(examples=10, batch_size=2, epochs=0.3): 2,
    Scenario(examples=10, batch_size=2, max_steps=7): 7,
    Scenario(examples=10, batch_size=2, max_steps=2, epochs=3.0): 2,
    Scenario(examples=3, batch_size=4, accumulation=4, epochs=3.0): 3,
    Scenario(examples=10, batch_size=2, accumulation=3, max_steps=5, injection="add_adapter"): 5,
}


@clause("loop.step-count")
@scenarios(LENGTHS)
def test_step_count(scenario, observation):
    """Epochs, `max_steps` and accumulation give the documented number of optimizer steps."""
    equal("optimizer steps", len(observation.steps), LENGTHS[scenario])
    equal(
        "their numbers",
        [s.number for s in observation.steps],
        list(range(1, LENGTHS[scenario] + 1)),
    )


@clause("loop.step-count")
@given(scenario=trainings())
def test_step_count_generated(runs, tolerating, scenario):
    """The same for any training; every micro-batch of an epoch is trained on once."""
    with tolerating(scenario):
        observation = runs.train(scenario)
        equal("optimizer steps", len(observation.steps), scenario.steps)
        first = observation.steps[: scenario.steps_per_epoch]
        if scenario.steps >= scenario.steps_per_epoch:
            trained = sum(len(step.micro_batches) for step in first)
            equal("micro-batches of the first epoch", trained, scenario.batches_per_epoch)


# ---- clipping, schedule, decay --------------------------------------------------------------


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


SCHEDULES = [
    Scenario(schedule=name, warmup_steps=warmup, epochs=2.0, accumulation=acc, injection=how)
    for name in ("linear", "cosine", "constant", "constant_with_warmup")
    for warmup, acc, how in ((0, 1, BOTH[0]), (3, 2, BOTH[1]))
    if not (name == "constant" and warmup)
]


@clause("loop.schedule")
@sweep()
def test_schedule(observation):
    """Every optimizer step uses the named schedule's rate. Tolerance: one rounding in float64."""
    _rates_are_the_schedules(observation)


@clause("loop.schedule")
@scenarios(SCHEDULES)
def test_schedules(observation):
    """The same for each schedule, with and without warm-up."""
    _rates_are_the_schedules(observation)


def _rates_are_the_schedules(observation):
    for step in observation.steps:
        expected = reference.learning_rate(observation.scenario, step.number - 1)
        for rate in step.learning_rates:
            close(f"the rate of step {step.number}", rate, expected, 1e-15, "rate_distance")
    rates = [
        reference.learning_rate(observation.scenario, step.number) for step in observation.steps
    ]
    last = observation.steps[-1].after.scheduler["_last_lr"]
    close("the rate for a next step", last[0], rates[-1], 1e-15)


@clause("loop.schedule")
@crossing(Scenario(epochs=2.0), injection=BOTH)
def test_logged_rate(observation):
    """The logged rate is the one that the step used. Tolerance: one rounding in float64."""
    for step, entry in paired("steps and logs", observation.steps, observation.logs):
        where = f"the rate logged at step {step.number}"
        close(where, entry["learning_rate"], step.learning_rates[0], 1e-15)


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


# ---- when things happen ---------------------------------------------------------------------

CADENCES = [
    Scenario(
        logging_steps=2, evaluate="steps", eval_steps=3, save="steps", save_steps=4, epochs=2.0
    ),
    Scenario(logging_steps=3, evaluate="epoch", save="epoch", epochs=3.0, accumulation=2),
    Scenario(logging_steps=1, evaluate="steps", eval_steps=2, injection="add_adapter", max_steps=7),
    Scenario(logging_steps=4, save="steps", save_steps=5, injection="add_adapter", epochs=2.0),
]


@clause("loop.cadence")
@scenarios(CADENCES)
def test_cadence(scenario, observation):
    """Logs, evaluations, checkpoints come at exactly the configured steps, and may at the end."""
    every = range(1, scenario.steps + 1)
    edges = [s for s in every if s % scenario.steps_per_epoch == 0]

    def at(strategy, interval):
        chosen = {"no": [], "epoch": edges}
        return chosen.get(strategy, [s for s in every if s % interval == 0])

    _come_at(
        "logs", [e["step"] for e in observation.logs], at("steps", scenario.logging_steps), every
    )
    evaluated = [e["step"] for e in observation.evaluations]
    _come_at("evaluations", evaluated, at(scenario.evaluate, scenario.eval_steps), every)
    saved = [save.step for save in observation.saves]
    _come_at("checkpoints", saved, at(scenario.save, scenario.save_steps), every)


def _come_at(what, got, configured, every):
    at_the_end = (
        [*configured, every[-1]] if every[-1] not in configured and configured else configured
    )
    require(got in (configured, at_the_end), what, got, configured)


# ---- determinism ----------------------------------------------------------------------------


@clause("loop.deterministic")
@crossing(
    Scenario(dropout=0.1, adapter="lora-dropout", epochs=2.0),
    architecture=core_families(),
    injection=BOTH,
)
def test_same_seed(runs, scenario):
    """The same seed gives exactly the same run, whatever the generators' state was before."""
    once, again = runs.train(scenario), runs.again(scenario, noise=77)
    identical("the adapter", again.adapters_after, once.adapters_after)
    equal("losses", [s.loss for s in again.steps], [s.loss for s in once.steps])
    equal("gradient norms", *[[e["grad_norm"] for e in seen.logs] for seen in (again, once)])


@clause("loop.deterministic")
@crossing(architecture=core_families(), injection=BOTH)
def test_another_seed(runs, scenario):
    """Another seed gives another order of the same examples."""
    one, other = (_order(runs.train(scenario.but(seed=seed))) for seed in (7, 8))
    require(one != other, "the order of the examples", one, "another with another seed")
    equal("the examples of an epoch", sorted(other), sorted(one))


@clause("loop.deterministic")
@crossing(Scenario(epochs=2.0), injection=BOTH)
def test_epochs_differ(observation):
    """The second epoch has another order of the same examples than the first."""
    order = _order(observation)
    half = len(order) // 2
    require(order[:half] != order[half:], "the second epoch's order", order[half:], "another")
    equal("the examples of the second epoch", sorted(order[half:]), sorted(order[:half]))


def _order(observation):
    """The examples in the order they were trained on, without padding."""
    return [
        tuple(row[mask.bool()].tolist())
        for step in observation.steps
        for micro in step.micro_batches
        for row, mask in zip(micro.inputs["input_ids"], micro.inputs["attention_mask"], strict=True)
    ]
