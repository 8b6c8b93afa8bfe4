"""Chapter loop: arguments of the Trainer that leave the training what it is, or say how not."""

import copy

import pytest

from conformance import oracle
from conformance.checks.reference import follows_the_reference
from conformance.compat import Unavailable
from conformance.judging import close_tensors, equal, identical, paired
from conformance.marks import arguments, clause, crossing, native_in_full, scenarios
from conformance.running.schedules import learning_rate
from conformance.scenarios import Injection, Scenario, core_families

AXES = {"architecture": core_families(), "injection": tuple(Injection)}
HANDWRITTEN = ("adamw_torch", "adamw_torch_fused", "sgd", "adagrad", "rmsprop", "adafactor")


@clause("loop.reference")
@arguments(oracle.follows)
def test_arguments_reference(runs, observation):
    """The whole run agrees with the hand-written loop, whatever these arguments are."""
    follows_the_reference(runs, observation)


@clause("loop.reference")
@crossing(
    Scenario(weight_decay=0.1, epochs=2.0),
    optimizer=HANDWRITTEN,
    architecture=("llama", "bert"),
    injection=tuple(Injection),
)
def test_optimizer_reference(runs, observation):
    """The same under each optimizer that is written out by hand, with weight decay."""
    follows_the_reference(runs, observation)


@clause("loop.schedule")
@arguments()
def test_arguments_schedule(observation):
    """Every step uses the schedule's rate under each optimizer. Tolerance: one rounding."""
    for step in observation.steps:
        rate = learning_rate(observation.scenario, step.number - 1)
        apart = [abs(rate - used) for used in step.learning_rates]
        equal(f"rates of step {step.number} off {rate}", [d for d in apart if d > 1e-15], [])


@clause("loop.clipping")
@crossing(Scenario(max_grad_norm=0.0, accumulation=2), **AXES)
def test_no_clipping(runs, observation):
    """`max_grad_norm=0` leaves every gradient as it is, and the norm is logged all the same."""
    for step in observation.steps:
        identical(f"gradients of step {step.number}", step.clipped, step.gradients)


NOTHING = Scenario(accumulation=2)


@clause("loop.arguments")
@crossing(
    NOTHING,
    average_tokens=(False,),
    count_tokens=("all",),
    auto_batch_size=(True,),
    extra_column=(True,),
    **AXES,
)
def test_changes_nothing(runs, scenario):
    """Counting tokens, finding a batch size that fits already, columns: the same training."""
    plain = NOTHING.but(architecture=scenario.architecture, injection=scenario.injection)
    _same_training(runs.train(scenario), runs.train(plain))


@clause("loop.arguments")
@scenarios(
    lambda profile: [
        Scenario(workers=2, epochs=2.0),
        Scenario(workers=2, persistent_workers=True, epochs=2.0),
    ][: max(1, profile.strength - 1)]  # ending workers takes torch up to five seconds an epoch
)
def test_workers_change_nothing(runs, scenario):
    """Data loader workers, those that stay and fetch ahead too: the same training."""
    _same_training(runs.train(scenario), runs.train(Scenario(epochs=2.0)))


ACCELERATED = (  # what Accelerate is told, and what one process need not care for
    {"split_batches": True},
    {"dispatch_batches": True},
    {"even_batches": False},
    {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
)


@clause("loop.arguments")
@pytest.mark.parametrize("number", range(len(ACCELERATED)))
@native_in_full(Scenario(accumulation=2, epochs=2.0))
def test_accelerator_changes_nothing(runs, scenario, number):
    """What batches are to be like for several processes, in one: the same training."""
    told = {"accelerator_config": copy.deepcopy(ACCELERATED[number])}  # which Trainers write into
    _same_training(runs.again(scenario, extra_arguments=told), runs.train(scenario))


HOW = {
    "skip_memory_metrics": False,
    "torch_empty_cache_steps": 2,
    "dataloader_pin_memory": False,
    "debug": "underflow_overflow",
    "log_level": "error",
    "logging_first_step": True,
    "restore_callback_states_from_checkpoint": True,
}


@clause("loop.arguments")
@pytest.mark.parametrize("name", HOW)
@native_in_full(Scenario(accumulation=2, epochs=2.0))
def test_how_changes_nothing(runs, scenario, name):
    """Arguments about logs, memory, and how data are loaded: the same training."""
    told = {name: HOW[name]}
    _same_training(runs.again(scenario, extra_arguments=told), runs.train(scenario))


@clause("loop.arguments")
@native_in_full(Scenario(accumulation=2))
def test_accumulation_by_accelerate(runs, scenario):
    """Steps of accumulation that Accelerate is told, and the Trainer is not: the same training."""
    told = {"accelerator_config": {"gradient_accumulation_kwargs": {"num_steps": 2}}}
    got = runs.again(scenario.but(accumulation=1), extra_arguments=told)
    _same_training(got, runs.train(scenario))


def _same_training(got, expected):
    for one, other in paired("steps", got.steps, expected.steps):
        where = f"of step {one.number}"
        equal(f"the loss {where}", one.loss, other.loss)
        identical(f"gradients {where}", one.clipped, other.clipped)
        identical(f"the adapter {where}", one.after.adapter, other.after.adapter)


@clause("loop.arguments")
@crossing(Scenario(compiled="eager", max_steps=2), injection=tuple(Injection))
def test_compiled(runs, profile, scenario):
    """Compiled by `torch.compile`, the training is the same within the oracle's tolerances."""
    if profile.strength < 3:
        raise Unavailable(f"profile {profile.name} compiles nothing")
    plain, compiled = runs.train(scenario.but(compiled="")), runs.train(scenario)
    for one, other in paired("steps", compiled.steps, plain.steps):
        where = f"of step {one.number}"
        close_tensors(f"gradients {where}", one.gradients, other.gradients, oracle.GRADIENT)
        after = one.after.adapter, other.after.adapter
        close_tensors(f"the adapter {where}", *after, oracle.ADAPTER)
