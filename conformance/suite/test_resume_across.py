"""Chapter resume: checkpoints that other releases of the libraries wrote."""

import pytest

from conformance import oracle
from conformance.judging import close, close_tensors, equal, identical, note
from conformance.marks import clause, crossing
from conformance.running import artefacts

EACH = pytest.mark.parametrize("release", artefacts.releases())


@clause("resume.across-releases")
@EACH
@crossing(artefacts.SCENARIO, adapter=artefacts.ADAPTERS)
def test_resumes(runs, scenario, folder, release):
    """It goes on from the checkpoint's adapter and moments, and ends as under its own release."""
    held = artefacts.kept(release, scenario)
    seen = runs.resume_from(scenario, str(held.checkpoint), folder)
    if held.later and seen.failure:
        note(refused=seen.failure.message)
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
