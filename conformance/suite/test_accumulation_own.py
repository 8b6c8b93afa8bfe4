"""Chapter accumulation: the loss of a Trainer of one's own, who says whether it is scaled."""

from conformance import oracle
from conformance.judging import close, close_tensors
from conformance.marks import clause, crossing
from conformance.running import losses, trainers
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
