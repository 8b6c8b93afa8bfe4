"""Chapter loss: the loss of each step is the documented cross-entropy over the same batch."""

from hypothesis import given
from peft import get_peft_model

from conformance import compat, oracle
from conformance.checks.reference import losses_agree
from conformance.judging import close, close_tensors, equal, identical, paired, require
from conformance.marks import clause, crossing, scenarios, sweep
from conformance.running import build, data, trainers
from conformance.running.looking import tensors
from conformance.scenarios import Injection, Scenario, core_families, family
from conformance.scenarios.strategies import followed

BOTH = tuple(Injection)
CAUSAL = [name for name in core_families() if family(name).task == "causal-lm"]
OTHER = [name for name in core_families() if name not in CAUSAL]


@clause("loss.reference")
@sweep(oracle.follows)
def test_reference(runs, observation):
    """The loss of every step equals an independent cross-entropy over the same examples."""
    losses_agree(runs, observation)


@clause("loss.reference")
@given(scenario=followed())
def test_generated(runs, tolerating, scenario):
    """The same for any training."""
    with tolerating(scenario):
        losses_agree(runs, runs.train(scenario))


@clause("loss.reference")
@scenarios([Scenario(logging_steps=3, epochs=2.0), Scenario(logging_steps=2, accumulation=2)])
def test_logged_mean(observation):
    """What is logged is the mean over the steps since the last log.

    Tolerance: that of `oracle.LOGGED_LOSS`.
    """
    interval = observation.scenario.logging_steps
    for entry in observation.logs:
        window = observation.steps[entry["step"] - interval : entry["step"]]
        mean = sum(step.loss for step in window) / interval
        close(f"the loss logged at step {entry['step']}", entry["loss"], mean, oracle.LOGGED_LOSS)
    equal(
        "logged at", [e["step"] % interval for e in observation.logs], [0] * len(observation.logs)
    )
    require(bool(observation.logs), "logs of the loss", 0, "some")


@clause("loss.ignored-labels")
@crossing(
    Scenario(sampling="sequential", optimizer="sgd"),
    architecture=core_families(),
    injection=BOTH,
    label_smoothing=(0.0, 0.1),
)
def test_ignored_labels(runs, scenario):
    """Examples whose labels are all -100 change neither loss nor gradient of their batch."""
    without = runs.train(scenario)
    doubled = scenario.but(companions=True, batch_size=2 * scenario.batch_size)
    with_companions = runs.train(doubled)
    for one, other in paired("steps", without.steps, with_companions.steps):
        close(f"the loss of step {one.number}", other.loss, one.loss, oracle.LOSS)
        close_tensors(
            f"gradients of step {one.number}", other.gradients, one.gradients, oracle.GRADIENT
        )
    rows = {len(m.inputs["input_ids"]) for s in with_companions.steps for m in s.micro_batches}
    equal("rows of a batch with companions", rows, {2 * scenario.batch_size})


SMOOTHED = {"injection": BOTH, "label_smoothing": (0.1, 0.4), "accumulation": (1, 2)}


@clause("loss.smoothing-causal")
@crossing(architecture=CAUSAL, **SMOOTHED)
def test_smoothing_causal_reference(runs, observation):
    """On causal models the smoothed loss is over shifted labels."""
    losses_agree(runs, observation)
    _smoothing_matters(runs, observation)


@clause("loss.smoothing-causal")
@crossing(Scenario(label_smoothing=0.1, max_steps=1), architecture=CAUSAL)
def test_smoothing_of_a_mixed_model(trainer_class, scenario, folder):
    """A `PeftMixedModel` begins with the smoothed loss that a `PeftModel` begins with.

    Both are the base still, as LoRA begins: to the bit.
    """
    config = build.adapter_config(scenario)
    models = [get_peft_model(build.base_model(scenario), config, mixed=m) for m in (True, False)]
    got, expected = (
        trainers.trainer(trainer_class, scenario, folder, model=model).train().training_loss
        for model in models
    )
    equal("the loss of the first step", got, expected)


@clause("loss.smoothing-other")
@crossing(architecture=OTHER, **SMOOTHED)
def test_smoothing_other_reference(runs, observation):
    """On classifiers and encoder-decoders the smoothed loss is over labels where they stand."""
    losses_agree(runs, observation)
    _smoothing_matters(runs, observation)


@clause("loss.smoothing-other")
@crossing(Scenario(architecture="bert", varied_lengths=False, max_steps=2), injection=BOTH)
def test_smoothing_of_several_labels(trainer_class, scenario, folder):
    """Of labels that an example may have several of there is no smoothing: it trains as without."""
    rows = data.training_examples(scenario)
    several = [{"input_ids": r["input_ids"], "labels": [1.0, 0.0, 1.0]} for r in rows]
    ends = []
    for smoothing in (0.1, 0.0):
        base = build.base_model(scenario)
        base.config.problem_type = "multi_label_classification"
        model = build.inject(scenario, base, seed=1)
        given = {"model": model, "train_dataset": several, "data_collator": None}
        told = {"extra_arguments": {"label_smoothing_factor": smoothing}}
        where = folder / str(smoothing)
        output = trainers.trainer(trainer_class, scenario, where, **given, **told).train()
        ends.append((output.training_loss, tensors(model)))
    equal("training_loss", ends[0][0], ends[1][0])
    identical("the trained model", ends[0][1], ends[1][1])


def _smoothing_matters(runs, observation):
    plain = runs.train(observation.scenario.but(label_smoothing=0.0, accumulation=1))
    apart = abs(plain.steps[0].loss - observation.steps[0].loss)
    require(apart > 10 * oracle.LOSS, "what smoothing changes in the loss", apart, "a difference")


@clause("loss.custom")
@crossing(
    Scenario(custom_loss=True), architecture=core_families(), injection=BOTH, accumulation=(1, 3)
)
def test_custom_reference(runs, observation):
    """`compute_loss_func` is used, and scaled by the items of the whole optimizer step."""
    losses_agree(runs, observation)


@clause("loss.custom")
@crossing(Scenario(architecture="bert", custom_loss=True), injection=BOTH)
def test_custom_evaluated(trainer_class, scenario, folder):
    """In an evaluation `compute_loss_func` is told how many items each batch has."""
    told = []

    def loss(outputs, labels, num_items_in_batch=None):
        told.append((len(labels), num_items_in_batch))
        return outputs["logits"].square().mean()

    given = {"evaluated": data.evaluation_examples(scenario), **compat.custom_loss(loss)}
    trainers.trainer(trainer_class, scenario, folder, **given).evaluate()
    require(bool(told), "batches evaluated", 0, "some")
    equal("items told", [None if n is None else int(n) for _, n in told], [n for n, _ in told])


@clause("loss.tuples")
@crossing(Scenario(max_steps=2), architecture=core_families(), injection=BOTH)
def test_tuples(trainer_class, scenario, folder):
    """A model that returns tuples trains and evaluates as it does with named outputs."""
    named, tuples = (_trained(trainer_class, scenario, folder, each) for each in (False, True))
    for what, got, expected in zip(("training_loss", "eval_loss"), tuples, named, strict=False):
        equal(what, got, expected)
    identical("the trained model", tuples[-1], named[-1])


def _trained(trainer_class, scenario, folder, tuples):
    """The mean loss of a training, that of an evaluation, and the model's tensors."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    if tuples:
        model.register_forward_hook(lambda _, inputs, outputs: outputs.to_tuple())
    where, evaluated = folder / str(tuples), data.evaluation_examples(scenario)
    trainer = trainers.trainer(trainer_class, scenario, where, model=model, evaluated=evaluated)
    output = trainer.train()
    return output.training_loss, trainer.evaluate()["eval_loss"], tensors(model)
