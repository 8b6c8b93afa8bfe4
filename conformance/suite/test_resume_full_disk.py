"""Chapter resume: a checkpoint that cannot be written, and what is left to resume from."""

import pytest

from conformance.checks.resume import continues
from conformance.judging import equal, note, require
from conformance.marks import clause, scenarios
from conformance.running.full_disk import full_from
from conformance.running.single import ADAPTER_SEED
from conformance.scenarios import Scenario

SAVING = Scenario(save="steps", dropout=0.1)
ROOMS = (0, 600, 9000)  # bytes: for no file, for the small ones, for all but the optimizer's


@clause("resume.after-failed-save")
@pytest.mark.parametrize("room", ROOMS)
@scenarios([SAVING])
def test_disk_fills_while_saving(runs, scenario, folder, room):
    """A full disk is an error; the checkpoints before it are resumed from exactly."""
    with full_from(2, room) as filling:
        hurt = _trained(runs, scenario, folder, callbacks=(filling,))
    _raised_and_left(runs, scenario, folder, hurt)


@clause("resume.after-failed-save")
@scenarios([SAVING])
def test_no_place_for_a_checkpoint(runs, scenario, folder):
    """A file where a checkpoint's folder should be is an error; those before it are intact."""
    (folder / "checkpoint-3").write_text("in the way")
    _raised_and_left(runs, scenario, folder, _trained(runs, scenario, folder))


@clause("resume.after-failed-save")
@scenarios([SAVING])
def test_true_after_a_full_disk(runs, scenario, folder):
    """`True` goes on from the last whole checkpoint, to the end of the uninterrupted run."""
    with full_from(2, 600) as filling:
        _trained(runs, scenario, folder, callbacks=(filling,))
    continues(runs.train(scenario), runs.resume_from(scenario, True, folder).trained())


def _trained(runs, scenario, folder, **options):
    return runs.resume_from(scenario, None, folder, adapter_seed=ADAPTER_SEED, noise=1, **options)


def _raised_and_left(runs, scenario, folder, hurt):
    """The save of checkpoint-3 raised, and checkpoint-2 is whole."""
    require(hurt.failure is not None, "a checkpoint not written", "no error", "an error")
    note(raised=hurt.failure.type)
    equal("steps taken", [step.number for step in hurt.steps], [1, 2, 3])
    resumed = runs.resume_from(scenario, str(folder / "checkpoint-2"), folder / "resumed")
    continues(runs.train(scenario), resumed.trained())
