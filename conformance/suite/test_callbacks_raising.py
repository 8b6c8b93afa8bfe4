"""Chapter callbacks: one that raises ends the training, and takes no checkpoint with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import compat
from conformance.checks.resume import continues
from conformance.checks.witness import Planned, Raising
from conformance.judging import equal, identical, require, same
from conformance.marks import clause, crossing, native_in_full
from conformance.running import saved
from conformance.running.recorder import checkpoints
from conformance.running.single import ADAPTER_SEED
from conformance.scenarios import Injection, Scenario
from conformance.scenarios.strategies import trainings

BOTH = tuple(Injection)
SAVED = Scenario(save="steps", evaluate="steps", accumulation=2, epochs=2.0, dropout=0.1)
EVENTS = (
    "on_epoch_begin",
    "on_step_begin",
    "on_substep_end",
    "on_pre_optimizer_step",
    "on_optimizer_step",
    "on_step_end",
    "on_log",
    "on_prediction_step",
    "on_evaluate",
    "on_save",
    "on_epoch_end",
    "on_train_end",
)


def _raises(runs, scenario, folder, raising):
    """The training, which the callback ended with its own exception and no other."""
    options = {"callbacks": (raising.callback,), "adapter_seed": ADAPTER_SEED}
    broken = runs.resume_from(scenario, None, folder, **options)
    require(raising.raised, raising.message, "never", "raised")
    require(broken.failure is not None, raising.message, "swallowed", "raised out of train()")
    found = (broken.failure.type, broken.failure.message, broken.failure.phase)
    equal("what train() raised", found, (Planned.__name__, raising.message, "train"))
    equal("steps taken", [s.number for s in broken.steps], list(range(1, raising.step + 1)))
    return broken


def _leaves_whole(full, broken, raising):
    """The checkpoints there are are those of the training that nothing broke, file by file."""
    before = [s.step for s in full.saves if s.step < raising.step]
    there = [int(name.rpartition("-")[2]) for name in checkpoints(broken.output_dir)]
    equal("checkpoints before it", [step for step in there if step < raising.step], before)
    for step in there:
        whole, left = full.saved(step).folder, broken.output_dir / f"checkpoint-{step}"
        names = [sorted(p.name for p in folder.iterdir()) for folder in (left, whole)]
        equal(f"files of checkpoint {step}", *names)
        _same_checkpoint(full.scenario, step, left, whole)


def _same_checkpoint(scenario, step, left, whole):
    where = f"of checkpoint {step}"
    adapters, optimizers, states = (
        [read(folder) for folder in (left, whole)]
        for read in (
            lambda folder: saved.adapter_tensors(saved.adapter_folder(scenario, folder)),
            saved.optimizer_state,
            saved.trainer_state,
        )
    )
    identical(f"the adapter {where}", *adapters)
    same(f"the optimizer {where}", *optimizers)
    equal(f"the step {where}", *[state["global_step"] for state in states])


@clause("callbacks.raising")
@pytest.mark.parametrize("event", EVENTS)
@native_in_full(SAVED)
def test_raising(runs, scenario, folder, event):
    """It ends `train()` with its exception in whichever event; earlier checkpoints are whole."""
    if event not in compat.callback_events():
        raise compat.Unavailable(f"TrainerCallback has no {event}")
    often = {"on_prediction_step": 8, "on_substep_end": 4, "on_log": 5}
    seldom = {"on_epoch_begin": 2, "on_epoch_end": 2, "on_train_end": 1}
    raising = Raising(event, {**often, **seldom}.get(event, 3))
    broken = _raises(runs, scenario, folder, raising)
    full = runs.train(scenario)
    _leaves_whole(full, broken, raising)


@clause("callbacks.raising")
@pytest.mark.parametrize("event", ["on_prediction_step", "on_save", "on_substep_end"])
@crossing(SAVED, injection=BOTH)
def test_resumes_after_raising(runs, scenario, folder, event):
    """A resume from the last checkpoint ends exactly where the uninterrupted training does."""
    raising = Raising(event, {"on_prediction_step": 8}.get(event, 3))
    broken = _raises(runs, scenario, folder, raising)
    require(bool(broken.checkpoints), "checkpoints", "none", "some")
    resumed = runs.resume_from(scenario, True, folder).trained()
    continues(runs.train(scenario), resumed)


@clause("callbacks.raising")
@given(
    scenario=trainings(
        save=st.just("steps"),
        architecture=st.just("llama"),
        epochs=st.sampled_from((1.0, 1.5, 2.0)),
    ).filter(lambda scenario: scenario.steps > 1),
    draw=st.data(),
)
def test_raising_generated(runs, tolerating, scenario, draw):
    """The same for any training, event and moment."""
    with tolerating(scenario):
        full = runs.train(scenario)
        events = [event.name for event in full.events[1:]]  # the first is on_init_end
        place = draw.draw(st.integers(0, len(events) - 1), label="event")
        raising = Raising(events[place], events[: place + 1].count(events[place]))
        folder = runs.folder()
        broken = _raises(runs, scenario, folder, raising)
        _leaves_whole(full, broken, raising)
        if broken.checkpoints and broken.checkpoints[-1] != f"checkpoint-{scenario.steps}":
            continues(full, runs.resume_from(scenario, True, folder).trained())
