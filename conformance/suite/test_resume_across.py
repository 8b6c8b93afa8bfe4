"""Chapters resume and checkpoint: what other releases of the libraries wrote."""

import pytest

from conformance import oracle
from conformance.judging import close, close_tensors, equal, identical, require
from conformance.marks import clause, crossing
from conformance.running import artefacts, data, saved
from conformance.running.looking import logits
from conformance.scenarios import Injection

EACH = pytest.mark.parametrize("release", artefacts.releases())


def _refused(held, failure):
    """A later release's checkpoint may be refused, as long as that is said."""
    if held.later and failure is not None:
        require(bool(failure.strip()), "the refusal's message", failure, "words")
        return True
    return False


@clause("resume.across-releases")
@EACH
@crossing(artefacts.SCENARIO, adapter=artefacts.ADAPTERS)
def test_resumes(runs, scenario, folder, release):
    """It goes on from the checkpoint's adapter and moments, and ends as under its own release."""
    held = artefacts.kept(release, scenario)
    seen = runs.resume_from(scenario, str(held.checkpoint), folder)
    if _refused(held, seen.failure and seen.failure.message):
        return
    resumed = seen.trained()
    identical("the adapter as resumed", resumed.start.adapter, held.part("start"))
    for moment, found in artefacts.moments(resumed.start).items():
        identical(f"{moment} as resumed", found, held.part(moment))
    equal("steps taken", [step.number for step in resumed.steps], [3, 4])
    for step, loss, rate in zip(resumed.steps, held.losses, held.rates, strict=True):
        close(f"the loss of step {step.number}", step.loss, loss, oracle.LOSS)
        close(f"the rate of step {step.number}", step.learning_rates[0], rate, 1e-15)
    end = held.part("end")
    close_tensors("the adapter at the end", resumed.last_state.adapter, end, oracle.ADAPTER)


@clause("checkpoint.across-releases")
@EACH
@crossing(artefacts.SCENARIO, adapter=artefacts.ADAPTERS, injection=tuple(Injection))
def test_loads(scenario, release):
    """Every value of the adapter is there, and the model gives the logits it gave.

    A forward pass is off by less than gradients are, which pass the same layers forth and back.
    """
    held, model = artefacts.kept(release, scenario), None
    try:
        model = saved.load_adapter(scenario, held.checkpoint)
    except Exception as error:
        if not _refused(held, str(error)):
            raise
        return
    parameters = {_bare(name): p.detach().cpu() for name, p in model.named_parameters()}
    expected = {_bare(name): tensor for name, tensor in held.part("start").items()}
    identical("the adapter as loaded", {n: parameters[n] for n in expected}, expected)
    got, wanted = logits(model, data.probe(scenario)), held.expected["logits:"]
    close_tensors("the logits", {"all": got}, {"all": wanted}, oracle.GRADIENT)


def _bare(name):
    """The same under `PeftModel` as in a model that holds adapters itself."""
    return name.removeprefix("base_model.model.")
