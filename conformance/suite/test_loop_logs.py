"""Chapter loop: what the log says."""

from conformance.checks.logs import ends_with_the_metrics, entries_are_dated, losses_are_means
from conformance.marks import arguments, clause, sweep


@clause("loop.log-entries")
@sweep()
def test_entries(observation):
    """Entries are dated, losses are means since the entry before, the last one is the metrics."""
    entries_are_dated(observation)
    losses_are_means(observation)
    ends_with_the_metrics(observation)


@clause("loop.log-entries")
@arguments()
def test_arguments_entries(observation):
    """The same whatever the Trainer's arguments are."""
    entries_are_dated(observation)
    losses_are_means(observation)
    ends_with_the_metrics(observation)
