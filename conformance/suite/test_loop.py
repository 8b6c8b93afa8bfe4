"""Chapter loop: the training loop itself, against a hand-written one."""

from hypothesis import given

from conformance import oracle
from conformance.checks.reference import follows_the_reference
from conformance.judging import equal, identical, require
from conformance.marks import clause, crossing, scenarios, sweep
from conformance.running import data, hooks
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
@crossing(Scenario(max_steps=3), injection=BOTH)
def test_same_draws(runs, scenario):
    """Python's and numpy's generators are seeded too: a callback draws the same numbers again."""
    once, again = hooks.Dice(), hooks.Dice()
    runs.again(scenario, callbacks=(once,))
    runs.again(scenario, callbacks=(again,), noise=77)
    equal("numbers drawn, by step", again.drawn, once.drawn)
    equal("steps", len(once.drawn), scenario.steps)


@clause("loop.deterministic")
@crossing(Scenario(examples=16, epochs=2.0), injection=BOTH)
def test_workers_draw(runs, scenario):
    """A loader's workers draw by the seed: the same with the same, others with another and in
    another epoch.
    """
    options = {"train_dataset": data.Augmented(data.training_examples(scenario))}
    arguments = {"dataloader_num_workers": 1}

    def drawn(seed):
        told = {"trainer_options": options, "extra_arguments": arguments, "noise": seed}
        seen = runs.again(scenario.but(seed=seed), **told)
        return [m.inputs["input_ids"][:, 0].tolist() for s in seen.steps for m in s.micro_batches]

    once, again, other = drawn(7), drawn(7), drawn(8)
    half = len(once) // 2
    equal("numbers drawn", again, once)
    require(other != once, "numbers drawn", other, "others with another seed")
    require(once[:half] != once[half:], "of the second epoch", once[half:], "others")


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
