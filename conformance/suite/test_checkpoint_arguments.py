"""Chapter checkpoint: what is written whatever the Trainer's arguments are."""

from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back
from conformance.judging import empty, equal
from conformance.marks import arguments, clause
from conformance.running import saved


@clause("checkpoint.adapter-only")
@arguments()
def test_arguments_adapter_only(observation):
    """No file of any checkpoint holds a base weight."""
    holds_no_base(observation)


@clause("checkpoint.complete")
@arguments()
def test_arguments_complete(observation):
    """A checkpoint's tensors are those that peft names for the adapter, at their own dtype."""
    for save in observation.saves:
        holds_the_adapter(observation, save)


@clause("checkpoint.round-trip")
@arguments()
def test_arguments_round_trip(observation):
    """A checkpoint loaded onto a fresh base gives the trained model's logits at that step."""
    load_back(observation)


@clause("checkpoint.optimizer-state-only-adapter")
@arguments()
def test_arguments_optimizer_state_only_adapter(observation):
    """Optimizers, whichever keep a state, hold and write it for trainable parameters only."""
    trainable = set(observation.trainable)
    for step in observation.steps:
        empty("state for strangers", sorted(set(step.after.optimizer) - trainable))
    in_memory = observation.steps[-1].after.optimizer
    on_disk = saved.optimizer_state(observation.saves[-1].folder)["state"]
    equal("parameters with state on disk", len(on_disk), len(in_memory))
