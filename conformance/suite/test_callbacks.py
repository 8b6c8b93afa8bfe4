"""Chapter callbacks: when events come, what they are handed, and that their wishes are obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.checks.events import Request, in_documented_order
from conformance.checks.logs import losses_are_means
from conformance.checks.output import reports_its_mean_loss
from conformance.checks.witness import Requesting, Witness
from conformance.judging import changed, empty, equal, identical, paired, require, same
from conformance.marks import clause, crossing, native_in_full, scenarios, sweep
from conformance.scenarios import Injection, Scenario
from conformance.scenarios.strategies import trainings

BOTH = tuple(Injection)
AROUND = ("on_pre_optimizer_step", "on_optimizer_step")
STRATEGIES = {
    "save": st.sampled_from(("no", "steps", "epoch")),
    "eval_steps": st.integers(1, 4),
    "save_steps": st.integers(1, 4),
}


# ---- their order ----------------------------------------------------------------------------


@clause("callbacks.order")
@sweep()
def test_order(observation):
    """Events come in the documented order and number, each at its step and epoch."""
    in_documented_order(observation)


@clause("callbacks.order")
@crossing(
    Scenario(epochs=2.0, eval_steps=2, save_steps=3, accumulation=2, batch_size=1),
    evaluate=("steps", "epoch", "no"),
    save=("epoch", "steps", "no", "best"),
    drop_last=(False, True),
    max_steps=(0, 8, 3),
    epochs=(2.0, 1.5),
    injection=BOTH,
)
def test_order_of_strategies(runs, scenario):
    """The same under every strategy of evaluating and saving, ended by epochs or by steps."""
    if scenario.save == "best" and scenario.evaluate == "no":
        scenario = scenario.but(evaluate="steps")
    in_documented_order(runs.train(scenario))


@clause("callbacks.order")
@pytest.mark.parametrize("logging", ["epoch", "no", "first"])
@scenarios([Scenario(logging_steps=3, epochs=1.5, evaluate="epoch", accumulation=2)])
def test_order_of_logging(runs, scenario, logging):
    """The same under every strategy of logging."""
    strategy = {"logging_strategy": logging} if logging != "first" else {"logging_first_step": True}
    observation = runs.again(scenario, extra_arguments=strategy)
    in_documented_order(observation, logging=logging)
    losses_are_means(observation)
    reports_its_mean_loss(observation)


@clause("callbacks.order")
@given(
    scenario=trainings(
        **STRATEGIES,
        evaluate=st.sampled_from(("no", "steps", "epoch")),
        max_steps=st.integers(0, 7),
    )
)
def test_order_generated(runs, tolerating, scenario):
    """The same for any training."""
    with tolerating(scenario):
        in_documented_order(runs.train(scenario))


# ---- what they see --------------------------------------------------------------------------


@clause("callbacks.seen")
@crossing(
    Scenario(accumulation=2, epochs=2.0), architecture=("llama", "bert", "t5"), injection=BOTH
)
def test_sees_the_step(runs, scenario):
    """Around the optimizer's step: the adapter before and after it, with clipped gradients."""
    witness = Witness()
    observation = runs.again(scenario, callbacks=(witness.callback,))
    before = observation.first_state.adapter
    for step in observation.steps:
        early, late = (witness.at(event, step.number - 1) for event in AROUND)
        where = f"optimizer step {step.number}"
        identical(f"gradients before {where}", early.gradients, step.clipped)
        identical(f"gradients after {where}", late.gradients, step.clipped)
        identical(f"the adapter before {where}", early.adapter, before)
        identical(f"the adapter after {where}", late.adapter, step.after.adapter)
        before = step.after.adapter
    moving = {n: t for n, t in observation.first_state.adapter.items() if "lora_B" in n}
    changed("training", moving, before)


@clause("callbacks.seen")
@crossing(Scenario(accumulation=2, epochs=2.0), injection=BOTH)
def test_sees_no_gradient_between_steps(runs, scenario):
    """Gradients are there from the first substep on, and gone when the step has ended."""
    witness = Witness()
    observation = runs.again(scenario, callbacks=(witness.callback,))
    for step in observation.steps:
        begun = witness.at("on_step_begin", step.number - 1)
        ended = witness.at("on_step_end", step.number)
        empty(f"gradients as step {step.number} begins", begun.gradients)
        empty(f"gradients as step {step.number} ends", ended.gradients)
    partial = witness.at("on_substep_end", 0).gradients
    require(any(g.any() for g in partial.values()), "gradients of a substep", "none", "some")


@clause("callbacks.seen")
@crossing(Scenario(evaluate="steps", eval_steps=2, logging_steps=2), injection=BOTH)
def test_sees_logs_and_metrics(runs, scenario):
    """`on_log` is handed what is logged, `on_evaluate` the metrics, at their steps."""
    witness = Witness()
    observation = runs.again(scenario, callbacks=(witness.callback,))
    for (step, logs), entry in paired("logs", witness.logs, observation.log_history):
        same(f"logs handed over at step {step}", {**logs, "step": step}, dict(entry))
    for (step, metrics), entry in paired("metrics", witness.metrics, observation.evaluations):
        same(f"metrics handed over at step {step}", {**metrics, "step": step}, dict(entry))


@clause("callbacks.seen")
@crossing(Scenario(evaluate="steps", save="steps"), injection=BOTH)
def test_sees_objects(runs, scenario):
    """Every event of the training is handed the model, its optimizer, schedule and data."""
    witness = Witness()
    observation = runs.again(scenario, callbacks=(witness.callback,))
    require(len(witness.missing) > len(observation.steps), "events", len(witness.missing), "more")
    empty("arguments that were missing", [entry for entry in witness.missing if entry[1]])
    equal("models handed over", {name for name, _ in witness.models}, {observation.model_class})
    equal("how many models", len(witness.models), 1)


# ---- what they ask for ----------------------------------------------------------------------

QUIET = Scenario(logging_steps=100, batch_size=1, accumulation=2, epochs=2.0, evaluate="epoch")
BUSY = Scenario(evaluate="steps", save="steps", epochs=2.0)
STOPPED = BUSY.but(epochs=3.0, batch_size=1, accumulation=2)
EARLY = ("on_step_begin", "on_substep_end", "on_pre_optimizer_step", "on_optimizer_step")
ACTIONS = ("should_log", "should_evaluate", "should_save")
STOPS = ("should_epoch_stop", "should_training_stop")


def _obeys(runs, scenario, *requests):
    """The training in which callbacks ask for this is the documented one."""
    asking = Requesting(requests)
    observation = runs.again(scenario, callbacks=(asking.callback,))
    equal("requests made", asking.made, list(requests))
    in_documented_order(observation, requests=requests)
    return observation


@clause("callbacks.control")
@pytest.mark.parametrize("event", [*EARLY, "on_step_end"])
@native_in_full(QUIET)
def test_obeys_actions(runs, scenario, event):
    """A log, an evaluation or a checkpoint asked for in a step comes at its end, once."""
    first = 2 if event == "on_step_end" else 1
    requests = [Request(event, first + 2 * n, flag) for n, flag in enumerate(ACTIONS)]
    observation = _obeys(runs, scenario, *requests)
    equal("checkpoints", [save.step for save in observation.saves], [6])


@clause("callbacks.control")
@crossing(QUIET, injection=BOTH)
def test_obeys_actions_at_the_end_of_an_epoch(runs, scenario):
    """The same asked for when an epoch ends."""
    _obeys(runs, scenario, *[Request("on_epoch_end", 5, flag) for flag in ACTIONS])


@clause("callbacks.control")
@crossing(BUSY, injection=BOTH)
def test_obeys_vetoes(runs, scenario):
    """What the arguments ask for at a step, and a callback takes back, does not come."""
    vetoes = [Request("on_step_end", 3 + n, flag, False) for n, flag in enumerate(ACTIONS)]
    observation = _obeys(runs, scenario, *vetoes)
    equal("logged", [e["step"] for e in observation.logs], _all_but(scenario, 3))
    equal("evaluated", [e["step"] for e in observation.evaluations], _all_but(scenario, 4))
    equal("saved", [save.step for save in observation.saves], _all_but(scenario, 5))


def _all_but(scenario, step):
    return [other for other in range(1, scenario.steps + 1) if other != step]


@clause("callbacks.control")
@pytest.mark.parametrize("event", ["on_step_end", "on_log", "on_evaluate", "on_save"])
@native_in_full(STOPPED)
def test_obeys_stops(runs, scenario, event):
    """A callback ends an epoch at one step, and the training at a later one, exactly there."""
    epoch_at, training_at = 3, 6
    requests = [Request(event, epoch_at, STOPS[0]), Request(event, training_at, STOPS[1])]
    observation = _obeys(runs, scenario, *requests)
    equal("global_step", observation.output.global_step, training_at)
    micro_batches = [len(step.micro_batches) for step in observation.steps]
    equal("micro-batches of each step", micro_batches, [2] * training_at)


@clause("callbacks.control")
@pytest.mark.parametrize("event", ["on_evaluate", "on_save"])
@native_in_full(STOPPED.but(evaluate="epoch", save="epoch"))
def test_obeys_stops_by_epochs(runs, scenario, event):
    """The same where evaluations and checkpoints come as epochs end."""
    edge = scenario.steps_per_epoch
    observation = _obeys(runs, scenario, Request(event, edge, STOPS[1]))
    equal("global_step", observation.output.global_step, edge)


@clause("callbacks.control")
@pytest.mark.parametrize("event", ["on_epoch_end", "on_substep_end"])
@native_in_full(STOPPED)
def test_stops_outside_a_step(runs, scenario, event):
    """The same at the end of an epoch, and inside an accumulation window, which is given up."""
    edge = scenario.steps_per_epoch
    observation = _obeys(runs, scenario, Request(event, edge, STOPS[1]))
    equal("global_step", observation.output.global_step, edge)


@clause("callbacks.control")
@crossing(Scenario(max_steps=7), injection=BOTH)
def test_epoch_stop_before_max_steps(runs, scenario):
    """An epoch cut short does not cut `max_steps` short: the data are gone through again."""
    observation = _obeys(runs, scenario, Request("on_step_end", 2, STOPS[0]))
    equal("optimizer steps", len(observation.steps), scenario.max_steps)


@clause("callbacks.control")
@given(draw=st.data())
def test_control_generated(runs, tolerating, draw):
    """Any wishes at any steps are obeyed."""
    scenario = draw.draw(trainings(**STRATEGIES, evaluate=st.sampled_from(("steps", "epoch"))))
    step = st.integers(0, scenario.steps)
    actions = st.builds(
        Request, st.sampled_from((*EARLY, "on_step_end")), step, st.sampled_from(ACTIONS)
    )
    stops = st.builds(Request, st.just("on_step_end"), step, st.sampled_from(STOPS))
    requests = draw.draw(st.lists(actions, max_size=3)) + draw.draw(st.lists(stops, max_size=2))
    with tolerating(scenario):
        asking = Requesting(requests)
        observation = runs.again(scenario, callbacks=(asking.callback,))
        in_documented_order(observation, requests=requests)


@clause("callbacks.stop-inside-window")
@crossing(
    Scenario(accumulation=3, batch_size=1, epochs=2.0),
    architecture=("llama", "t5"),
    injection=BOTH,
)
def test_stop_inside_window(runs, scenario):
    """An epoch stopped inside an accumulation window leaves no gradient to the next epoch."""
    whole = Requesting([Request("on_step_end", 2, "should_epoch_stop")])
    inside = Requesting([Request("on_substep_end", 2, "should_epoch_stop")])
    expected = runs.again(scenario, callbacks=(whole.callback,))
    got = runs.again(scenario, callbacks=(inside.callback,))
    for one, other in paired("steps", got.steps, expected.steps):
        identical(f"gradients of step {one.number}", one.clipped, other.clipped)


@clause("callbacks.save-beside-best")
@scenarios([Scenario(evaluate="steps", save="best", injection=how) for how in BOTH])
def test_save_beside_best(runs, scenario):
    """A checkpoint asked for is written, though the evaluation at that step is not the best."""
    plain = runs.train(scenario.but(greater_is_better=True))
    bests = [save.step for save in plain.saves]
    others = [step.number for step in plain.steps if step.number not in bests]
    require(bool(others), "steps without a new best", bests, "some")
    asking = Requesting([Request("on_step_end", others[0], "should_save")])
    observation = runs.again(plain.scenario, callbacks=(asking.callback,))
    equal("checkpoints", [s.step for s in observation.saves], sorted([*bests, others[0]]))
