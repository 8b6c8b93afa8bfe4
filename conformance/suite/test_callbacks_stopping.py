"""Chapter callbacks: early stopping, and what becomes of it over a resume."""

from dataclasses import astuple
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import compat
from conformance.checks.resume import continues
from conformance.checks.stopping import Scores, Stopping
from conformance.judging import equal, note, require
from conformance.marks import clause, crossing, native_in_full, scenarios
from conformance.scenarios import Injection, Scenario, core_families

BOTH = tuple(Injection)
WATCHED = Scenario(evaluate="steps", epochs=2.0)


def _watching(values, *stoppings):
    """Options of a training that this sequence of metrics stops; notes both as evidence."""
    note(scores=repr(list(values)), stoppings=repr([astuple(each) for each in stoppings]))
    return {
        "extra_arguments": dict(stoppings[0].arguments),
        "callbacks": tuple(each.callback() for each in stoppings),
        "trainer_options": {"compute_metrics": Scores(values)},
    }


def _restoring(values, *stoppings):
    """The same, with the callbacks' states restored from a checkpoint."""
    options = _watching(values, *stoppings)
    options["extra_arguments"] |= compat.restoring_callbacks()
    return options


def _stops_rightly(observation, stopping, values):
    """Steps, evaluations and output end at the evaluation that the model names."""
    scenario = observation.scenario
    interval = scenario.steps_per_epoch if scenario.evaluate == "epoch" else scenario.eval_steps
    expected = stopping.after(values[: scenario.steps // interval]) * interval or scenario.steps
    equal("the last step", [s.number for s in observation.steps], list(range(1, expected + 1)))
    equal("global_step", observation.output.global_step, expected)
    seen = [entry["eval_score"] for entry in observation.evaluations]
    equal("scores seen", seen, values[: len(seen)])


# ---- where it stops -------------------------------------------------------------------------

SEQUENCES = {
    "at once": (Stopping(1), [3.0, 3.0]),
    "never": (Stopping(1), [5.0, 4.0, 3.0, 2.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5]),
    "after patience": (Stopping(3), [3.0, 4.0, 5.0, 3.0, 1.0]),
    "patience starts anew": (Stopping(2), [3.0, 4.0, 2.0, 2.5, 1.0, 1.1, 1.2, 0.0]),
    "at the threshold": (Stopping(1, 0.5), [3.0, 2.5, 1.0]),
    "above the threshold": (Stopping(1, 0.5), [3.0, 2.25, 1.5, 1.0]),
    "creeping": (Stopping(2, 0.5), [3.0, 2.75, 2.5, 1.0]),
    "from the best, not the last": (Stopping(2), [1.0, 3.0, 2.0, 0.0]),
    "rising": (Stopping(2, rising=True), [1.0, 2.0, 1.5, 2.0, 3.0]),
    "rising above the threshold": (Stopping(2, 0.25, rising=True), [-2.0, -1.5, -1.25, -1.0]),
}


@clause("callbacks.early-stopping")
@pytest.mark.parametrize("name", SEQUENCES)
@native_in_full(WATCHED)
def test_stops(runs, scenario, name):
    """The training ends at the evaluation that patience and threshold say, falling or rising."""
    stopping, values = SEQUENCES[name]
    padded = [*values, *[values[-1]] * (scenario.steps - len(values))]
    _stops_rightly(runs.again(scenario, **_watching(padded, stopping)), stopping, padded)


@clause("callbacks.early-stopping")
@scenarios(
    [
        Scenario(evaluate="epoch", epochs=4.0, accumulation=2),
        Scenario(evaluate="steps", eval_steps=2, epochs=2.0),
        Scenario(evaluate="epoch", save="epoch", epochs=4.0, load_best=True),
        Scenario(evaluate="steps", save="steps", save_steps=2, epochs=2.0, load_best=True),
    ]
)
def test_stops_at_evaluations(runs, scenario):
    """The same by epochs, at every second step, with the best model loaded, and fewer saves.

    The documentation also notes that with other save steps than evaluation steps "the early
    stopping will not occur until the next save step"; patience counts evaluations, and that is
    what holds here.
    """
    stopping, values = Stopping(2), [3.0, 2.0, 2.0, 2.5, *[1.0] * 8]
    _stops_rightly(runs.again(scenario, **_watching(values, stopping)), stopping, values)


@clause("callbacks.early-stopping")
@scenarios(
    lambda profile: [
        Scenario(evaluate="steps", epochs=2.0, learning_rate=0.05, architecture=name, injection=how)
        for name, how in zip(core_families(), cycle(BOTH), strict=False)
    ][: 2 * profile.strength - 1]
)
def test_stops_by_loss(runs, scenario):
    """The same by the real evaluation loss, which is not given but measured."""
    stopping, named = Stopping(2, 0.05), {"metric_for_best_model": "loss"}
    observation = runs.again(scenario, callbacks=(stopping.callback(),), extra_arguments=named)
    plain = [entry["eval_loss"] for entry in runs.train(scenario).evaluations]
    expected = stopping.after(plain)
    require(0 < expected < scenario.steps, "the losses", plain, "some that stop the training")
    equal("the last step", observation.steps[-1].number, expected)
    seen = [entry["eval_loss"] for entry in observation.evaluations]
    equal("losses until then", seen, plain[:expected])


@clause("callbacks.early-stopping")
@given(draw=st.data())
def test_stops_generated(runs, tolerating, draw):
    """The same for any sequence, patience and threshold."""
    eighths = st.integers(-16, 16).map(lambda n: n / 8)
    values = draw.draw(st.lists(eighths, min_size=10, max_size=10))
    threshold = draw.draw(st.integers(0, 4).map(lambda n: n / 8))
    stopping = Stopping(draw.draw(st.integers(1, 4)), threshold, draw.draw(st.booleans()))
    scenario = WATCHED.but(injection=draw.draw(st.sampled_from(BOTH)))
    with tolerating(scenario):
        _stops_rightly(runs.again(scenario, **_watching(values, stopping)), stopping, values)


# ---- over a resume --------------------------------------------------------------------------

RESUMED = WATCHED.but(save="steps", dropout=0.1)


@clause("callbacks.early-stopping-resumed")
@crossing(RESUMED, architecture=("llama", "bert"), injection=BOTH, accumulation=(1, 2))
def test_stops_over_a_resume(runs, profile, scenario, folder):
    """Interrupted while it waits, and resumed, a training stops where it would have, exactly."""
    stopping, values = Stopping(3), [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, *[0.0] * 4]
    note(whole=repr(values))
    full = runs.again(scenario, **_restoring(values, stopping))
    equal("the last step", full.steps[-1].number, 5)
    for step in range(1, 5) if profile.strength > 2 else (3, 4):
        checkpoint = str(full.saved(step).folder)
        options = _restoring(values[step:], stopping)
        resumed = runs.resume_from(scenario, checkpoint, folder / str(step), **options).trained()
        equal("the last step", resumed.steps[-1].number, 5)
        continues(full, resumed)


@clause("callbacks.several-resumed")
@crossing(RESUMED, injection=BOTH)
def test_each_gets_its_own_state(runs, scenario, folder):
    """Two early stoppings of other patience, resumed as they wait, stop where they would have."""
    stoppings, values = (Stopping(4), Stopping(3)), [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, *[0.0] * 4]
    note(whole=repr(values))
    full = runs.again(scenario, **_restoring(values, *stoppings))
    equal("the last step", full.steps[-1].number, 5)
    checkpoint = str(full.saved(4).folder)
    options = _restoring(values[4:], *stoppings)
    resumed = runs.resume_from(scenario, checkpoint, folder, **options).trained()
    require(bool(resumed.steps), "the resumed training", "took no step", "some")
    equal("the last step after a resume", resumed.steps[-1].number, 5)
