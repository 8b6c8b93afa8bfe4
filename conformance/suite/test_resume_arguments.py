"""Chapter resume: going on from a checkpoint whatever the Trainer's arguments are."""

from conformance.checks.resume import continues, points
from conformance.marks import arguments, clause, listed, scenarios
from conformance.scenarios import Scenario

STREAMED = Scenario(iterable="streamed", max_steps=8, save="steps", examples=10, dropout=0.1)
SPECIAL = [
    STREAMED.but(examples=30),
    STREAMED.but(examples=30, accumulation=2, max_steps=7),
    STREAMED.but(iterable="sized", max_steps=0, epochs=2.0),
    Scenario(save="steps", neftune=5.0, adapter="lora-dropout", epochs=2.0),
    Scenario(save="steps", optimizer="adagrad"),
    Scenario(save="steps", optimizer="adamw_bnb_8bit"),
    Scenario(save="steps", optimizer="ademamix"),
    Scenario(save="steps", optimizer="paged_adamw_32bit"),
    Scenario(save="steps", optimizer="rmsprop_bnb"),
    Scenario(save="steps", optimizer="lion_8bit"),
]


@clause("resume.equals-uninterrupted")
@arguments()
def test_sweep_arguments(runs, profile, scenario):
    """Resumed under these arguments, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    found = points(full, profile)
    for step in found[:1] if profile.resume_points else found:
        continues(full, runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@listed(SPECIAL)
def test_special_arguments(runs, profile, scenario):
    """The same with streamed data, noise and further optimizers."""
    full = runs.train(scenario)
    for step in points(full, profile):
        continues(full, runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@scenarios(
    lambda profile: [
        Scenario(save="steps", workers=2, persistent_workers=True, dropout=0.1, epochs=2.0)
    ][: profile.strength > 2]  # ending workers takes torch up to five seconds
)
def test_persistent_workers(runs, profile, scenario):
    """The same with data loader workers that stay from one epoch to the next."""
    full = runs.train(scenario)
    for step in points(full, profile):
        continues(full, runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@scenarios([STREAMED, STREAMED.but(examples=6, accumulation=3, max_steps=4)])
def test_after_a_pass_over_streamed_data(runs, scenario):
    """The same where the data were gone through before the checkpoint and begin again."""
    full = runs.train(scenario)
    continues(full, runs.resume(scenario, scenario.steps_per_epoch + 1))
