"""Chapter output: what a training returns whatever the Trainer's arguments are."""

from conformance import oracle
from conformance.judging import close, equal
from conformance.marks import arguments, clause


@clause("output.global-step")
@arguments()
def test_arguments_global_step(observation):
    """`global_step` is the number of optimizer steps that the arguments describe."""
    equal("global_step", observation.output.global_step, len(observation.steps))
    equal("optimizer steps", len(observation.steps), observation.scenario.steps)


@clause("output.training-loss")
@arguments()
def test_arguments_training_loss(observation):
    """`training_loss` is the mean of the losses of the steps that were taken.

    Tolerance: as for two roundings of each float32 loss, see `conformance.oracle`.
    """
    mean = sum(step.loss for step in observation.steps) / len(observation.steps)
    close("training_loss", observation.output.training_loss, mean, oracle.LOSS)
