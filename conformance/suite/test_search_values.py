"""Chapter search: a trial is the training whose arguments had its values from the start."""

import pytest

from conformance import compat
from conformance.checks.resume import same_batches
from conformance.checks.search import differ, same_training, told
from conformance.judging import equal, note, paired, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import saved
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
SEARCHED = Scenario(evaluate="epoch", varied_lengths=False)


# ---- what trials train with -----------------------------------------------------------------

VALUES = {
    "learning_rate": (0.02, 0.005),
    "weight_decay": (0.5, 0.1),
    "max_grad_norm": (0.01, 0.1),
    "warmup_steps": (2, 4),
    "max_steps": (3, 4),
    "per_device_train_batch_size": (3, 4),
    "gradient_accumulation_steps": (2, 3),
    "adam_beta2": (0.9, 0.99),
    "data_seed": (3, 11),
    "optim": ("sgd", "adafactor"),
}


def _equals_given_from_the_start(studio, scenario, name, values, **arguments):
    """Each trial of a search over one argument is the training with that value from the start."""
    note(sampled=repr({name: values}), given=repr(arguments))
    searched = studio(scenario, **arguments)
    searched.search_grid(len(values), {name: values})
    for trial, got in paired("trials", searched.trials, searched.trainings):
        expected = studio(scenario, **{**arguments, **trial.params}).train()
        same_training(f"{name}={trial.params[name]}", got, expected)
    differ(*searched.trainings[:2])


@clause("search.any-argument")
@pytest.mark.parametrize("name", VALUES)
@native_in_full(SEARCHED)
def test_any_argument(studio, scenario, name):
    """A trial is, bit for bit, the training whose arguments had its value from the start."""
    _equals_given_from_the_start(studio, scenario, name, VALUES[name])


@clause("search.optuna")
@crossing(SEARCHED.but(schedule="constant"), architecture=("llama", "bert", "t5"), injection=BOTH)
def test_values_reach_steps(studio, scenario):
    """The rates that Optuna samples are those in the arguments and in every optimizer step."""
    searched = studio(scenario)
    searched.search(lambda t: {"learning_rate": t.suggest_float("learning_rate", 1e-4, 1e-1)}, 3)
    for trial, training in paired("trials", searched.trials, searched.trainings):
        told(training, trial.params)
        rates = {rate for step in training.steps for rate in step.learning_rates}
        equal("rates of the optimizer steps", rates, {trial.params["learning_rate"]})
    equal("different rates", len({t.params["learning_rate"] for t in searched.trials}), 3)


@clause("search.optuna")
@crossing(SEARCHED, injection=BOTH, architecture=("llama", "t5"))
def test_equals_given_from_the_start(studio, scenario):
    """The same of several values at once, and for every architecture."""
    values = {"learning_rate": (0.02, 0.005), "weight_decay": (0.1, 0.3)}
    note(sampled=repr(values), given="{}")
    searched = studio(scenario)
    searched.search_grid(2, values)
    for trial, got in paired("trials", searched.trials, searched.trainings):
        same_training(f"{trial.params}", got, studio(scenario, **trial.params).train())
    differ(*searched.trainings[:2])


@clause("search.seed")
@crossing(SEARCHED, injection=BOTH)
def test_seed_reaches_the_arguments(studio, scenario):
    """A seed that is sampled, as by default, is in the arguments of its trial."""
    searched = studio(scenario)
    searched.search_grid(2, {"seed": (3, 11)})
    for trial, training in paired("trials", searched.trials, searched.trainings):
        told(training, trial.params)
    equal("the seeds", {trial.params["seed"] for trial in searched.trials}, {3, 11})


@clause("search.seed")
@native_in_full(SEARCHED)
def test_seed_orders_the_data(studio, scenario):
    """It gives the trial's data their order."""
    searched = studio(scenario)
    searched.search_grid(2, {"seed": (3, 11)})
    for trial, got in paired("trials", searched.trials, searched.trainings):
        expected = studio(scenario, **trial.params).train()
        for one, other in paired("steps", got.steps, expected.steps):
            same_batches(f"seed={trial.params['seed']}: step {one.number}", other, one)


@clause("search.seed")
@native_in_full(SEARCHED)
def test_seed_draws_the_adapter(studio, scenario):
    """It draws the trial's fresh adapter, and all else that is drawn."""
    _equals_given_from_the_start(studio, scenario, "seed", (3, 11))


@clause("search.any-argument")
@native_in_full(SEARCHED)
def test_label_smoothing(studio, scenario):
    """Label smoothing that is sampled smooths the labels of the trial."""
    _equals_given_from_the_start(studio, scenario, "label_smoothing_factor", (0.1, 0.3))


@clause("search.any-value")
@pytest.mark.parametrize(
    ("name", "values"),
    [("num_train_epochs", (2, 1)), ("lr_scheduler_type", ("cosine", "constant"))],
)
@native_in_full(SEARCHED)
def test_kinds_of_values(studio, scenario, name, values):
    """Whole numbers are taken where the argument is a fraction, and names where it is named."""
    _equals_given_from_the_start(studio, scenario, name, values)


@clause("search.any-value")
@native_in_full(SEARCHED)
def test_from_a_whole_number(studio, scenario):
    """A fraction that is sampled reaches the trial where the argument was given as whole number."""
    _equals_given_from_the_start(studio, scenario, "weight_decay", (0.5, 0.1), weight_decay=0)


@clause("search.any-value")
@native_in_full(SEARCHED)
def test_warmup_share(studio, scenario):
    """Warm-up that is sampled as a share of all steps warms the trial up."""
    _equals_given_from_the_start(studio, scenario, "warmup_steps", (0.4, 0.8))


@clause("search.unsampled")
@native_in_full(SEARCHED)
def test_unsampled(studio, scenario):
    """A value that only some trials sample is the given one in all others."""
    searched = studio(scenario)

    def space(trial):
        if trial.number == 1:
            return {}
        return {"learning_rate": trial.suggest_float("learning_rate", 0.05, 0.1)}

    searched.search(space, 3)
    expected = studio(scenario).train()
    same_training("the trial without a value", searched.trainings[1], expected)


# ---- a trial of one's own -------------------------------------------------------------------

GIVEN = {"learning_rate": 0.03, "num_train_epochs": 2, "per_device_train_batch_size": 4}


@clause("search.dictionary")
@native_in_full(SEARCHED)
def test_dictionary(studio, scenario):
    """`train(trial={...})` is the training whose arguments had these values from the start."""
    expected = studio(scenario, **GIVEN).train()
    got = studio(scenario).train(trial=dict(GIVEN))
    same_training("the trial", got, expected)


@clause("search.trial")
@native_in_full(SEARCHED)
def test_trial(studio, scenario):
    """`train(trial=<Optuna's>)` is the training whose arguments had its values from the start."""
    expected = studio(scenario, **GIVEN).train()
    got = studio(scenario).train(trial=compat.fixed_trial(GIVEN))
    same_training("the trial", got, expected)


@clause("search.trial")
@native_in_full(SEARCHED.but(save="steps"))
def test_flos_of_a_trial(studio, scenario, folder):
    """A trial of one's own counts its operations like any training, in checkpoints as well."""
    counted = []
    for named in ({}, {"trial": compat.fixed_trial({})}):
        trained = studio(scenario)
        trained.train(**named)
        steps = range(1, scenario.steps + 1)
        held = [saved.trainer_state(folder / f"checkpoint-{step}") for step in steps]
        flos = [state["total_flos"] for state in held]
        counted.append([*flos, trained.trainer.state.total_flos])
    equal("total_flos of a trial, step by step and at its end", counted[1], counted[0])
    require(0 < counted[0][0] < counted[0][-1], "total_flos", counted[0], "growing")
