"""Chapter resume: a checkpoint that cannot be written, and what is left to resume from."""

import pytest

from conformance.checks.resume import continues
from conformance.checks.trying import ERROR, tried
from conformance.judging import equal, identical, note, require
from conformance.marks import clause, crossing_only_in_full, scenarios
from conformance.running.full_disk import full_from, linked_to_the_full_device
from conformance.running.permissions import locked_from
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


PAGE = 4096  # bytes, the least that a file takes on such a disk


@clause("resume.after-failed-save")
@pytest.mark.parametrize("pages", [0, 1, 2, 4, 6])
@crossing_only_in_full(SAVING)
def test_small_disk(runs, scenario, folder, pages):
    """The same on a disk that has so many pages left for the third checkpoint."""
    taken = sum(_pages(runs.train(scenario).saved(step).folder) for step in (1, 2))
    disk = (taken + pages) * PAGE
    hurt = runs.alone_to_its_end(scenario, folder, disk=disk)
    _raised_and_left(runs, scenario, folder, hurt)


def _pages(folder):
    return sum(-(-file.stat().st_size // PAGE) for file in folder.iterdir())


FILES = (  # those written in place: the adapter's own takes the place of a link
    *("adapter_config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth"),
    *("trainer_state.json", "training_args.bin"),
)


@clause("resume.after-failed-save")
@pytest.mark.parametrize("file", FILES)
@crossing_only_in_full(SAVING)
def test_no_room_for_one_file(runs, scenario, folder, file):
    """Where the kernel says of one file that there is no space left, the same."""
    linked_to_the_full_device(folder / "checkpoint-3" / file)
    _raised_and_left(runs, scenario, folder, _trained(runs, scenario, folder))


@clause("resume.after-failed-save")
@crossing_only_in_full(SAVING, accumulation=(1, 2))
def test_slow_disk(runs, scenario, folder):
    """Where each file of a checkpoint is slow to open, the training and its checkpoints are the
    same, and what is resumed from them.
    """
    full = runs.train(scenario)
    slow = runs.alone(scenario, folder, slow=0.01)
    identical("the adapter", slow.adapters_after, full.adapters_after)
    equal("checkpoints", slow.checkpoints, full.checkpoints)
    checkpoint = str(slow.saves[-2].folder)
    continues(full, runs.resume_from(scenario, checkpoint, runs.folder()).trained())


@clause("resume.after-failed-save")
@scenarios([SAVING])
def test_permission_lost(runs, scenario, folder):
    """A folder that may no longer be written to is an error; with the permission back `True` goes
    on from the last checkpoint, to the end of the uninterrupted run.
    """
    with locked_from(2, folder) as locking:
        hurt = _trained(runs, scenario, folder, callbacks=(locking,))
    _raised_and_left(runs, scenario, folder, hurt)
    equal("the error", hurt.failure.type, "PermissionError")
    continues(runs.train(scenario), runs.resume_from(scenario, True, folder).trained())


def _trained(runs, scenario, folder, **options):
    return runs.resume_from(scenario, None, folder, adapter_seed=ADAPTER_SEED, noise=1, **options)


def _raised_and_left(runs, scenario, folder, hurt):
    """The save of checkpoint-3 raised, and checkpoint-2 is whole."""
    with tried("save that fails") as got:
        require(hurt.failure is not None, "a checkpoint not written", "no error", "an error")
        note(raised=hurt.failure.type)
        equal("steps taken", [step.number for step in hurt.steps], [1, 2, 3])
        resumed = runs.resume_from(scenario, str(folder / "checkpoint-2"), folder / "resumed")
        continues(runs.train(scenario), resumed.trained())
        got(ERROR)
