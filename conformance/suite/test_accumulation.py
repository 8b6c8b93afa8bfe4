"""Chapter accumulation: many micro-batches train as one batch does."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.checks.accumulation import equals_one_batch
from conformance.judging import empty, equal, require
from conformance.marks import clause, crossing, sweep
from conformance.scenarios import Injection, Scenario, core_families
from conformance.scenarios.strategies import followed

# 2 x 3 micro-batches a training; plain gradient descent, which hides no scale.
ACCUMULATED = Scenario(
    accumulation=3, examples=12, optimizer="sgd", learning_rate=0.1, max_grad_norm=0.0
)
AXES = {"architecture": core_families(), "injection": tuple(Injection)}


@clause("accumulation.equivalent")
@crossing(ACCUMULATED, **AXES, label_smoothing=(0.0, 0.2))
def test_equivalent_reference(runs, scenario):
    """Batch 2 accumulated 3 times equals batch 6, with labels of varied length."""
    equals_one_batch(runs, scenario)


@clause("accumulation.equivalent")
@crossing(ACCUMULATED.but(custom_loss=True), **AXES)
def test_custom_equivalent_reference(runs, scenario):
    """The same with a loss function of one's own."""
    equals_one_batch(runs, scenario)


@clause("accumulation.equivalent")
@given(
    scenario=followed(
        optimizer=st.just("sgd"),
        max_grad_norm=st.just(0.0),
        learning_rate=st.just(0.05),
        accumulation=st.integers(2, 5),
        epochs=st.just(1.0),
        drop_last=st.just(False),
    ).filter(lambda scenario: scenario.batches_per_epoch > 1)
)
def test_generated(runs, tolerating, scenario):
    """The same for any training, shuffled or not."""
    with tolerating(scenario):
        equals_one_batch(runs, scenario)


@clause("accumulation.last-window")
@crossing(ACCUMULATED, **AXES, examples=(7, 10), epochs=(1.0, 2.0))
def test_last_window_reference(runs, scenario):
    """A shorter last window of an epoch takes its step, scaled by its own items."""
    many = runs.train(scenario)
    sizes = [len(step.micro_batches) for step in many.steps]
    rest = scenario.batches_per_epoch % scenario.accumulation
    last = sizes[: scenario.steps_per_epoch][-1]
    equal("micro-batches of the epoch's last step", last, rest)
    equal("micro-batches of an epoch", sum(sizes), scenario.epochs * scenario.batches_per_epoch)
    equals_one_batch(runs, scenario)


@clause("accumulation.only-adapters")
@sweep()
def test_only_adapters(observation):
    """Between micro-batches gradients are held by trainable parameters alone, and do grow."""
    trainable = set(observation.trainable)
    for step in observation.steps:
        for micro in step.micro_batches:
            empty("base parameters with a gradient", micro.base_gradients)
            strangers = [name for name in micro.adapter_gradients if name not in trainable]
            empty("other parameters with a gradient", strangers)
            require(bool(micro.adapter_gradients), "parameters with a gradient", 0, "some")
