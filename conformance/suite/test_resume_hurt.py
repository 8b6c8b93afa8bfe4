"""Chapter resume: checkpoints that are missing, damaged or were being written in a kill."""

import random
import shutil
import signal
from pathlib import Path

import pytest

from conformance.checks.resume import continues
from conformance.checks.trying import ERROR, tried
from conformance.judging import equal, require
from conformance.marks import clause, crossing, generating, scenarios
from conformance.running.launch import RanksLost
from conformance.running.recorder import checkpoints
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
MISSING = "missing checkpoint"


@clause("resume.missing-refused")
@crossing(Scenario(save="steps"), injection=BOTH)
def test_missing_path_refused(runs, scenario, folder):
    """A path that is not there is an error, and no step is taken."""
    gone = folder / "checkpoint-7"
    resumed = runs.resume_from(scenario, str(gone), folder)
    _refused("a missing path", resumed, says=gone.name, hurt=MISSING)


@clause("resume.missing-refused")
@crossing(Scenario(save="steps"), injection=BOTH)
def test_empty_path_refused(runs, scenario, folder):
    """A folder without a checkpoint in it is an error, and no step is taken."""
    hollow = folder / "checkpoint-7"
    hollow.mkdir()
    resumed = runs.resume_from(scenario, str(hollow), folder)
    _refused("an empty folder", resumed, says=hollow.name, hurt=MISSING)


@clause("resume.missing-refused")
@crossing(Scenario(save="steps"), injection=BOTH)
def test_true_without_checkpoint_refused(runs, scenario, folder):
    """`True` in a folder without checkpoints is an error, and no step is taken."""
    resumed = runs.resume_from(scenario, True, folder)
    _refused("True, no checkpoint", resumed, says="checkpoint", hurt=MISSING)


DAMAGES = [
    Scenario(save="steps", adapter=adapter, injection=how)
    for adapter in ("lora", "modules-to-save")
    for how in BOTH
]


@clause("resume.damaged-refused")
@pytest.mark.parametrize(
    "pattern", ["adapter_model*", "optimizer.pt", "scheduler.pt", "trainer_state.json"]
)
@scenarios(DAMAGES)
def test_truncated_file_refused(runs, scenario, folder, pattern):
    """A file of the checkpoint that was cut short is an error."""
    _refused(f"a cut {pattern}", _resumed_from_cut(runs, scenario, folder, pattern))


@clause("resume.damaged-refused")
@scenarios(DAMAGES)
def test_missing_adapter_refused(runs, scenario, folder):
    """An adapter file that is missing, its config there, is an error."""
    damaged = _copy(runs, scenario, folder)
    for file in damaged.glob("adapter_model*"):
        file.unlink()
    _refused("no adapter file", runs.resume_from(scenario, str(damaged), folder))


def _resumed_from_cut(runs, scenario, folder, pattern):
    damaged = _copy(runs, scenario, folder)
    (file,) = damaged.glob(pattern)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return runs.resume_from(scenario, str(damaged), folder)


def _copy(runs, scenario, folder) -> Path:
    original = runs.train(scenario).saved(3).folder
    return Path(shutil.copytree(original, folder / "checkpoint-3"))


def _refused(what, resumed, says="", *, hurt="damaged file"):
    """The resume failed with an error of some kind before any step was taken."""
    failure = resumed.failure
    with tried(hurt) as got:
        equal(f"{what}: steps taken", len(resumed.steps), 0)
        require(failure is not None, what, "trained on without an error", "an error")
        require(says in failure.message, f"{what}: the message", str(failure), f"one with {says!r}")
        got(ERROR)


# ---- killed ---------------------------------------------------------------------------------


@clause("resume.after-kill")
@scenarios([Scenario(save="steps", dropout=0.1)])
def test_killed_while_training(runs, scenario, folder):
    """Killed between two checkpoints, `True` resumes from the last one to the same end."""
    _goes_on(runs, scenario, folder, die_at=3, first=4)


@clause("resume.after-kill")
@scenarios([Scenario(save="steps", dropout=0.1)])
def test_killed_while_saving(runs, scenario, folder):
    """Killed in the middle of writing a checkpoint, `True` resumes from a whole one."""
    _goes_on(runs, scenario, folder, die_at="checkpoint-3/trainer_state.json", first=3)


# Calls since the end of a step, of which some 30,000 write its checkpoint and as many as that again
# the next one, from 100,000 on.
MOMENTS = {
    signal.SIGKILL: (20_000,),
    signal.SIGTERM: (104_000,),
    signal.SIGINT: (104_000,),
}


def _everywhere(number):
    """Moments drawn from these two stretches, others for each signal, and the same every time."""
    draw = random.Random(number.name).sample
    return (*sorted(draw(range(1, 36_000), 75)), *sorted(draw(range(100_000, 110_000), 25)))


@clause("resume.after-kill")
@generating
@pytest.mark.parametrize("number", MOMENTS, ids=lambda number: number.name)
@scenarios([Scenario(save="steps", dropout=0.1)])
def test_signalled_at_any_moment(runs, profile, scenario, number, tolerating):
    """After a signal in any call that is made, `True` goes on from a whole checkpoint."""
    moments = _everywhere(number) if profile.strength > 2 else MOMENTS[number]
    for call in moments:
        folder = runs.folder()
        with tolerating(scenario, rejecting=False), tried(number.name):
            newest = _signalled(runs, scenario, folder, {"call": call, "signal": int(number)})
            resumed = runs.resume_from(scenario, True, folder).trained()
            whole = (newest, newest + 1)  # the one before where the newest was being written
            require(resumed.first.number in whole, "the first step", resumed.first.number, whole)
            continues(runs.train(scenario), resumed)


def _signalled(runs, scenario, folder, at):
    """End the training at a call after its second step; the step of the newest checkpoint."""
    with pytest.raises(RanksLost):
        runs.alone(scenario, folder, die_at={"step": 2, **at})
    there = checkpoints(folder)
    require(there[:1] == ("checkpoint-1",), "the first checkpoint", there[:1], "checkpoint-1")
    return int(there[-1].rpartition("-")[2])


def _goes_on(runs, scenario, folder, die_at, first):
    """Killed there, `True` takes that step first, and the training ends as the uninterrupted."""
    with tried("SIGKILL"):
        _killed(runs, scenario, folder, die_at)
        resumed = runs.resume_from(scenario, True, folder).trained()
        equal("the first step taken", resumed.first.number, first)
        continues(runs.train(scenario), resumed)


def _killed(runs, scenario, folder, die_at):
    with pytest.raises(RanksLost) as lost:
        runs.alone(scenario, folder, die_at=die_at)
    require(lost.value.status == -signal.SIGKILL, "the process", str(lost.value), "killed itself")
    require((folder / "checkpoint-2").is_dir(), "checkpoint-2 before the kill", "missing", "there")
