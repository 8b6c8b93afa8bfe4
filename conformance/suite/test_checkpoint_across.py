"""Chapter checkpoint: adapters that other releases of the libraries saved."""

import pytest

from conformance import oracle
from conformance.judging import close_tensors, identical, note
from conformance.marks import clause, crossing
from conformance.running import artefacts, data, saved
from conformance.running.looking import logits
from conformance.scenarios import Injection

EACH = pytest.mark.parametrize("release", artefacts.releases())


@clause("checkpoint.across-releases")
@EACH
@crossing(artefacts.SCENARIO, adapter=artefacts.ADAPTERS, injection=tuple(Injection))
def test_loads(scenario, release):
    """Every value of the adapter is there, and the model gives the logits it gave.

    A forward pass is off by less than gradients are, which pass the same layers forth and back.
    """
    held = artefacts.kept(release, scenario)
    try:
        model = saved.load_adapter(scenario, held.checkpoint)
    except Exception as error:
        if not held.later:
            raise
        note(refused=str(error))
        return
    parameters = {_bare(name): p.detach().cpu() for name, p in model.named_parameters()}
    expected = {_bare(name): tensor for name, tensor in held.part("start").items()}
    identical("the adapter as loaded", {n: parameters[n] for n in expected}, expected)
    got, wanted = logits(model, data.probe(scenario)), held.expected["logits:"]
    close_tensors("the logits", {"all": got}, {"all": wanted}, oracle.GRADIENT)


def _bare(name):
    """The same under `PeftModel` as in a model that holds adapters itself."""
    return name.removeprefix("base_model.model.")
