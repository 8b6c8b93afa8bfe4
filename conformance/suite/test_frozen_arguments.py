"""Chapter frozen: the base stays and the adapter moves whatever the Trainer's arguments are."""

from conformance.checks.frozen import (
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.marks import arguments, clause


@clause("frozen.bit-identical")
@arguments()
def test_arguments_bit_identical(observation):
    """Every base parameter and buffer has the same bits after training."""
    base_stays(observation)


@clause("frozen.requires-grad-kept")
@arguments()
def test_arguments_requires_grad_kept(observation):
    """Training changes no parameter's `requires_grad`, dtype, shape or device."""
    settings_kept(observation)


@clause("frozen.no-gradient")
@arguments()
def test_arguments_no_gradient(observation):
    """No base parameter ever holds a gradient."""
    no_base_gradient(observation)


@clause("frozen.optimizer-groups")
@arguments()
def test_arguments_optimizer_groups(observation):
    """The optimizer, whichever, holds each trainable parameter once, and nothing else."""
    optimizer_holds_the_adapter(observation)
