"""Chapter methods: adapters of every method as a release of peft saved them, in another process."""

import pytest

from conformance import oracle
from conformance.judging import close_tensors
from conformance.marks import clause, scenarios
from conformance.running import kept_methods


@clause("methods.across-releases")
@pytest.mark.parametrize("release", kept_methods.releases())
@scenarios(kept_methods.scenarios())
def test_gives_what_it_gave(scenario, release):
    """Loaded onto a fresh base it gives the logits that it gave.

    A forward pass is off by less than gradients are, which pass the same layers forth and back.
    """
    folder, expected = kept_methods.kept(release, scenario)
    got = kept_methods.load(scenario, folder)
    close_tensors("the logits", {"all": got}, {"all": expected}, oracle.GRADIENT)
