"""Chapter output: what several processes count together."""

from conformance.checks.counting import examples
from conformance.checks.logs import speeds_are
from conformance.checks.output import counts_its_operations
from conformance.marks import clause, crossing_in_full
from conformance.scenarios import Injection, Scenario

AXES = {"launch": ("ddp", "fsdp2", "fsdp1"), "injection": tuple(Injection)}
# The same training as in `test_loop_launched`, so that both judge one.
COUNTED = Scenario(
    launch="ddp", examples=16, accumulation=2, max_steps=2, count_tokens="all", save="steps"
)


@clause("output.total-flos")
@crossing_in_full(COUNTED, **AXES)
def test_operations_of_all(observation):
    """`total_flos` counts what all processes trained on, each token once."""
    counts_its_operations(observation)


@clause("output.metrics-values")
@crossing_in_full(COUNTED, **AXES)
def test_speeds_of_all(observation):
    """The speeds are those of all processes together."""
    for seen in observation.ranks:
        speeds_are(seen.output.metrics, "train", examples(observation), len(seen.steps))
