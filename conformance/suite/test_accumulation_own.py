"""Chapter accumulation: losses of one's own, and who says whether they are scaled."""

from conformance import oracle
from conformance.judging import close, close_tensors
from conformance.marks import clause, crossing
from conformance.running import build, losses, trainers
from conformance.running.recorder import trainable_tensors
from conformance.scenarios import Injection, Scenario, core_families

# Windows of 3 micro-batches with 2 examples; plain gradient descent, which hides no scale.
ACCUMULATED = Scenario(accumulation=3, optimizer="sgd", learning_rate=0.1, max_grad_norm=0.0)
WINDOW = ACCUMULATED.batch_size * ACCUMULATED.accumulation
AXES = {"architecture": core_families(), "injection": tuple(Injection)}


@clause("accumulation.own-loss")
@crossing(ACCUMULATED, **AXES, examples=(2 * WINDOW, 2 * WINDOW - 2))
def test_divided(trainer_class, scenario, folder):
    """Means over micro-batches, said to be unscaled, are divided by the micro-batches of a step."""
    _as_one_batch(trainer_class, scenario, folder, scaled=False)


@clause("accumulation.own-loss")
@crossing(ACCUMULATED, **AXES, examples=(2 * WINDOW,))
def test_as_it_is(trainer_class, scenario, folder):
    """Shares of the whole step's mean, said to be scaled, are used as they are."""
    _as_one_batch(trainer_class, scenario, folder, scaled=True)


@clause("accumulation.equivalent")
@crossing(ACCUMULATED.but(varied_lengths=False, examples=2 * WINDOW), **AXES)
def test_declined(trainer_class, scenario, folder):
    """The means of a model that says it takes no arguments of the loss are divided likewise.

    Micro-batches have as many labels each, so that the mean of means is the mean.
    """
    ends = []
    for each in (scenario, scenario.but(batch_size=WINDOW, accumulation=1)):
        base = build.base_model(each)
        base.accepts_loss_kwargs = False
        model = build.inject(each, base, seed=1)
        where = folder / str(each.accumulation)
        loss = trainers.trainer(trainer_class, each, where, model=model).train().training_loss
        ends.append((loss, trainable_tensors(model)))
    close("training_loss", ends[0][0], ends[1][0], oracle.LOSS)
    close_tensors("the trained adapter", ends[0][1], ends[1][1], oracle.ADAPTER)


def _as_one_batch(trainer_class, scenario, folder, scaled):
    """The loss and the trained adapter are those of one batch a step, within `oracle`'s tolerances:
    the same sums in another order.
    """
    at_once = scenario.but(batch_size=WINDOW, accumulation=1)
    loss, adapter = _trained(trainer_class, scenario, folder / "many", scaled)
    expected_loss, expected = _trained(trainer_class, at_once, folder / "one", scaled)
    close("training_loss", loss, expected_loss, oracle.LOSS)
    close_tensors("the trained adapter", adapter, expected, oracle.ADAPTER)


def _trained(trainer_class, scenario, folder, scaled):
    class Own(trainer_class):
        """Trains the square of the first logit of each example."""

        loss_is_scaled_for_ga = scaled

        def compute_loss(self, model, inputs, return_outputs=False, **_):
            _, outputs = super().compute_loss(model, inputs, return_outputs=True)
            squares = losses.answers(outputs).float().flatten(1)[:, 0].square()
            loss = squares.sum() / WINDOW if scaled else squares.mean()
            return (loss, outputs) if return_outputs else loss

    trainer = trainers.trainer(Own, scenario, folder)
    return trainer.train().training_loss, trainable_tensors(trainer.model)
