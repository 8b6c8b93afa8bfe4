"""Chapter resume: a checkpoint that is whole, and of another training."""

from conformance.checks.resume import continues
from conformance.checks.trying import ERROR, tried
from conformance.judging import Violation, equal, note, require
from conformance.marks import clause, scenarios
from conformance.scenarios import Scenario

SAVING = Scenario(save="steps", dropout=0.1)
OTHERS = [
    SAVING.but(adapter="rank-pattern"),
    SAVING.but(hidden_size=32),
    SAVING.but(architecture="gpt2"),
    *(SAVING.but(adapter=name) for name in ("dora", "ia3", "adalora", "vera", "prompt-tuning")),
    *(SAVING.but(adapter=name) for name in ("all-linear", "modules-to-save")),
    *(SAVING.but(optimizer=name) for name in ("sgd", "adafactor", "rmsprop")),
]
ALIKE = [SAVING.but(wide=True), SAVING.but(adapter="rslora"), SAVING.but(adapter="lora-dropout")]


@clause("resume.other-checkpoint")
@scenarios(lambda profile: OTHERS if profile.strength > 2 else OTHERS[:1])
def test_checkpoint_of_another_training(runs, scenario, folder):
    """A checkpoint of another model, method, rank, targets or optimizer is refused before any step,
    or the training goes on as from its own.
    """
    _noticed(runs, scenario, folder)


@clause("resume.other-checkpoint")
@scenarios(lambda profile: ALIKE if profile.strength > 2 else [])
def test_checkpoint_of_the_same_shapes(runs, scenario, folder):
    """The same where all tensors have the names and shapes of one's own."""
    _noticed(runs, scenario, folder)


def _noticed(runs, written_by, folder):
    """The training of `SAVING` refuses the checkpoint that another scenario wrote, or is exact."""
    other = str(runs.train(written_by).saved(3).folder)
    with tried("other training's checkpoint") as got:
        resumed = runs.resume_from(SAVING, other, folder)
        note(noticed=resumed.failure.type if resumed.failure else "")
        if resumed.failure is not None:
            equal("steps taken before the error", len(resumed.steps), 0)
            require(bool(resumed.failure.message), "the error", "says nothing", "a message")
            got(ERROR)
            return
        try:
            continues(runs.train(SAVING), resumed)
        except Violation as found:
            what = f"another training's checkpoint, and nothing was raised: {found.what}"
            raise Violation(what, found.got, found.expected) from None
