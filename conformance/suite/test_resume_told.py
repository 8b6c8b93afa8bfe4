"""Chapter resume: told to end by SIGTERM, a training saves what it has and goes on from there."""

import signal

from conformance.checks.resume import continues
from conformance.checks.trying import tried
from conformance.judging import Violation, empty, equal, note, require
from conformance.marks import clause, crossing, crossing_in_full, crossing_only_in_full
from conformance.running import trainers
from conformance.running.launch import RanksLost
from conformance.scenarios import Scenario

STEPS = 2  # taken when the signal comes
BASE = Scenario(dropout=0.1, epochs=2.0)
VARIED = {"accumulation": (1, 2), "save": ("no", "steps"), "adapter": ("lora", "lora-dropout")}


@clause("resume.just-in-time")
@crossing_in_full(BASE, **VARIED)
def test_told_between_two_steps(runs, scenario, folder):
    """Told after a step was logged, it saves that step's checkpoint, and is resumed exactly."""
    _told(runs, scenario, folder, "on_step_end")


@clause("resume.just-in-time")
@crossing_only_in_full(BASE)
def test_told_and_not_hurried(runs, scenario, folder):
    """The same when it takes the seconds that it waits for a second signal."""
    _told(runs, scenario, folder, "on_step_end", waiting=True)


@clause("resume.just-in-time")
@crossing_only_in_full(BASE)
def test_told_at_the_end_of_an_epoch(runs, scenario, folder):
    """The same after the last step of an epoch."""
    _told(runs, scenario, folder, "on_step_end", step=scenario.steps_per_epoch)


@clause("resume.just-in-time")
@crossing_only_in_full(BASE, **VARIED)
def test_told_within_a_step(runs, scenario, folder):
    """Told while a step is taken, the checkpoint is resumed from exactly."""
    _told(runs, scenario, folder, "on_step_begin")


@clause("resume.just-in-time")
@crossing_only_in_full(BASE, **VARIED)
def test_told_after_the_update(runs, scenario, folder):
    """Told when the optimizer has made a step and before it is logged: the same."""
    _told(runs, scenario, folder, "on_optimizer_step")


@clause("resume.just-in-time")
@crossing(BASE)
def test_handler_is_put_back(trainer_class, scenario, folder):
    """After a training that was not told to end SIGTERM does what it did before."""
    before, arguments = signal.getsignal(signal.SIGTERM), {"enable_jit_checkpoint": True}
    trainers.trainer(trainer_class, scenario, folder, extra_arguments=arguments).train()
    equal("the handler of SIGTERM", signal.getsignal(signal.SIGTERM), before)


def _told(runs, scenario, folder, event, step=STEPS, **options):
    """A training told to end in that event ends by itself, and `True` goes on from it exactly."""
    with tried("SIGTERM, told before"):
        _ends_and_goes_on(runs, scenario, folder, event, step, **options)


def _ends_and_goes_on(runs, scenario, folder, event, step, **options):
    told = {"step": step, "event": event, **options}
    arguments = {"enable_jit_checkpoint": True}
    try:
        ended = runs.alone(scenario, folder, told_at=told, extra_arguments=arguments)
    except RanksLost as lost:
        what = "a training told to end"
        raise Violation(what, str(lost).splitlines()[0], "a checkpoint, and its end") from None
    require(len(ended.steps) < scenario.steps, "steps", len(ended.steps), "fewer than planned")
    empty("files that say that saving was not finished", list(folder.rglob("*incomplete*")))
    require(bool(ended.checkpoints), "checkpoints", ended.checkpoints, "one at least")
    last = max(int(name.rpartition("-")[2]) for name in ended.checkpoints)
    note(saved=last, taken=len(ended.steps))
    require(last >= step, "the last checkpoint's step", last, f"{step} at least")
    resumed = runs.resume_from(scenario, True, folder).trained()
    equal("the first step taken", resumed.first.number, last + 1)
    continues(runs.train(scenario), resumed)
