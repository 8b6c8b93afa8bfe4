"""Chapter search: trials with Optuna train with their values, and the best one is returned."""

import pytest

from conformance import compat, oracle
from conformance.checks.checkpoint import unprefixed
from conformance.checks.resume import same_batches
from conformance.checks.search import begins_fresh, differ, moves, same_training, told
from conformance.judging import close, equal, identical, paired, require
from conformance.marks import clause, crossing, scenarios
from conformance.running import saved
from conformance.running.recorder import checkpoints
from conformance.running.reference import evaluate_by_hand
from conformance.running.searching import Studio
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
SEARCHED = Scenario(evaluate="epoch", varied_lengths=False)


@pytest.fixture
def studio(trainer_class, folder):
    """Makes Trainers with a ``model_init``; optuna must be there."""
    compat.optuna()

    def make(scenario, **arguments):
        return Studio(scenario, trainer_class, folder, **arguments)

    return make


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
    "optim": ("sgd", "adafactor"),
}


def _equals_given_from_the_start(studio, scenario, name, values, **arguments):
    """Each trial of a search over one argument is the training with that value from the start."""
    searched = studio(scenario, **arguments)
    searched.search_grid(len(values), {name: values})
    for trial, got in paired("trials", searched.trials, searched.trainings):
        expected = studio(scenario, **{**arguments, **trial.params}).train()
        same_training(f"{name}={trial.params[name]}", got, expected)
    differ(*searched.trainings[:2])


@clause("search.any-argument")
@pytest.mark.parametrize("name", VALUES)
@scenarios(lambda profile: [SEARCHED.but(injection=how) for how in BOTH[: profile.strength]])
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
@crossing(SEARCHED, injection=BOTH, architecture=("llama", "bert", "t5"))
def test_equals_given_from_the_start(studio, scenario):
    """The same of several values at once, and for every architecture."""
    values = {"learning_rate": (0.02, 0.005), "weight_decay": (0.1, 0.3)}
    searched = studio(scenario)
    searched.search_grid(3, values)
    for trial, got in paired("trials", searched.trials, searched.trainings):
        same_training(f"{trial.params}", got, studio(scenario, **trial.params).train())
    differ(*searched.trainings[:2])


@clause("search.seed")
@crossing(SEARCHED, injection=BOTH)
def test_seed_orders_the_data(studio, scenario):
    """A seed that is sampled, as by default, gives the trial's data their order."""
    searched = studio(scenario)
    searched.search_grid(2, {"seed": (3, 11)})
    for trial, got in paired("trials", searched.trials, searched.trainings):
        expected = studio(scenario, **trial.params).train()
        for one, other in paired("steps", got.steps, expected.steps):
            same_batches(f"seed {trial.params['seed']}, step {one.number}", other, one)
    seeds = {trial.params["seed"] for trial in searched.trials}
    equal("the seeds", seeds, {3, 11})


@clause("search.seed")
@crossing(SEARCHED, injection=BOTH)
def test_seed_draws_the_adapter(studio, scenario):
    """And draws its fresh adapter, and all else that is drawn."""
    _equals_given_from_the_start(studio, scenario, "seed", (3, 11))


@clause("search.any-argument")
@crossing(SEARCHED, injection=BOTH)
def test_label_smoothing(studio, scenario):
    """Label smoothing that is sampled smooths the labels of the trial."""
    _equals_given_from_the_start(studio, scenario, "label_smoothing_factor", (0.1, 0.3))


@clause("search.any-value")
@pytest.mark.parametrize(
    ("name", "values"),
    [("num_train_epochs", (2, 1)), ("lr_scheduler_type", ("cosine", "constant"))],
)
@crossing(SEARCHED, injection=BOTH)
def test_kinds_of_values(studio, scenario, name, values):
    """Whole numbers are taken where the argument is a fraction, and names where it is named."""
    _equals_given_from_the_start(studio, scenario, name, values)


@clause("search.any-value")
@crossing(SEARCHED, injection=BOTH)
def test_from_a_whole_number(studio, scenario):
    """A fraction that is sampled reaches the trial where the argument was given as whole number."""
    _equals_given_from_the_start(studio, scenario, "weight_decay", (0.5, 0.1), weight_decay=0)


@clause("search.any-value")
@crossing(SEARCHED, injection=BOTH)
def test_warmup_share(studio, scenario):
    """Warm-up that is sampled as a share of all steps warms the trial up."""
    _equals_given_from_the_start(studio, scenario, "warmup_steps", (0.4, 0.8))


@clause("search.unsampled")
@crossing(SEARCHED, injection=BOTH)
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


# ---- where they begin and end ---------------------------------------------------------------


@clause("search.fresh-adapter")
@crossing(SEARCHED.but(save="epoch"), architecture=("llama", "bert", "t5"), injection=BOTH)
def test_begins_fresh(studio, scenario):
    """Each trial begins with the same fresh adapter and base, no optimizer state, step 0."""
    searched = studio(scenario)
    searched.search_grid(3, {"learning_rate": (0.01, 0.03, 0.05)})
    equal("trials", len(searched.trainings), 3)
    for training in searched.trainings:
        begins_fresh(training, searched.trainings[0])
        equal("its first step", training.steps[0].number, 1)
        moves(training)
    models = {id(training.recorder.model) for training in searched.trainings}
    equal("models", len(models), 3)


@clause("search.best-run")
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@crossing(SEARCHED, injection=BOTH)
def test_best(studio, scenario, direction):
    """The best run is the trial with the best last evaluation loss, with its values."""
    searched = studio(scenario.but(epochs=2.0))
    best = searched.search_grid(3, {"learning_rate": (1e-4, 0.02, 0.05)}, direction=direction)
    losses = [training.evaluations[-1]["eval_loss"] for training in searched.trainings]
    choose = min if direction == "minimize" else max
    number = losses.index(choose(losses))
    equal("the best run", best.run_id, str(number))
    equal("its objective", best.objective, losses[number])
    equal("its values", best.hyperparameters, searched.trials[number].params)
    by_hand = evaluate_by_hand(scenario, searched.trainings[number].last)
    close("its objective against the hand-written loss", best.objective, by_hand, oracle.LOSS)
    equal("different losses", len(set(losses)), 3)


@clause("search.best-run")
@crossing(Scenario(evaluate="no", varied_lengths=False), injection=BOTH)
def test_best_without_evaluations(studio, scenario):
    """Where training does not evaluate, the objective is an evaluation at each trial's end."""
    searched = studio(scenario)
    best = searched.search_grid(2, {"learning_rate": (1e-4, 0.05)})
    ends = [evaluate_by_hand(scenario, training.last) for training in searched.trainings]
    number = ends.index(min(ends))
    equal("the best run", best.run_id, str(number))
    close("its objective", best.objective, ends[number], oracle.LOSS)


@clause("search.best-run")
@crossing(SEARCHED, injection=BOTH)
def test_objective_of_ones_own(studio, scenario):
    """`compute_objective` is handed the metrics of the evaluation, and decides."""
    searched = studio(scenario)
    best = searched.search_grid(
        2, {"learning_rate": (1e-4, 0.05)}, compute_objective=lambda metrics: -metrics["eval_loss"]
    )
    losses = [training.evaluations[-1]["eval_loss"] for training in searched.trainings]
    equal("the best objective", best.objective, min(-loss for loss in losses))
    equal("the best run", best.run_id, str(losses.index(max(losses))))


# ---- what is written ------------------------------------------------------------------------


@clause("search.folders")
@crossing(SEARCHED.but(evaluate="steps", save="steps", save_total_limit=2), injection=BOTH)
def test_folders(studio, scenario, folder):
    """Each trial has its checkpoints in `run-N`, as many as the limit says, of its own adapter."""
    searched = studio(scenario)
    best = searched.search_grid(2, {"learning_rate": (0.01, 0.05)})
    equal("checkpoints outside of trials", checkpoints(folder), ())
    for trial, training in paired("trials", searched.trials, searched.trainings):
        run = folder / f"run-{trial.number}"
        equal(f"checkpoints of {run.name}", checkpoints(run), ("checkpoint-4", "checkpoint-5"))
        for step in (4, 5):
            where = saved.adapter_folder(scenario, run / f"checkpoint-{step}")
            expected = _as_saved(training.steps[step - 1].after.adapter)
            identical(
                f"the adapter in {run.name}", unprefixed(saved.adapter_tensors(where)), expected
            )
    require((folder / f"run-{best.run_id}").is_dir(), "the best run's folder", "missing", "there")


def _as_saved(adapter):
    return {name.replace(".default", ""): t for name, t in unprefixed(adapter).items()}


@clause("search.folders")
@crossing(SEARCHED.but(evaluate="steps", save="steps", dropout=0.1), injection=BOTH)
def test_resumes_a_trial(studio, scenario, folder):
    """A trial's checkpoint, resumed with its values, ends exactly as the trial did."""
    searched = studio(scenario)
    searched.search_grid(2, {"learning_rate": (0.01, 0.05)})
    trial, whole = searched.trials[1], searched.trainings[1]
    checkpoint = str(folder / "run-1" / "checkpoint-3")
    resumed = studio(scenario, **trial.params).train(resume_from_checkpoint=checkpoint)
    equal("steps after the resume", [s.number for s in resumed.steps], [4, 5])
    identical("the adapter at the end", resumed.last, whole.last)


@clause("search.pruned")
@crossing(SEARCHED.but(evaluate="steps"), injection=BOTH)
def test_pruned(studio, scenario):
    """Every evaluation is reported to Optuna; a trial that is pruned ends there and is not best."""
    optuna = compat.optuna()

    class SecondTrialAtStepTwo(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number == 1 and trial.last_step == 2

    searched = studio(scenario)
    best = searched.search_grid(
        3, {"learning_rate": (0.01, 0.03, 0.05)}, pruner=SecondTrialAtStepTwo()
    )
    equal("steps", [len(training.steps) for training in searched.trainings], [5, 2, 5])
    require(best.run_id != "1", "the best run", "the one that was pruned", "another")
    for trial, training in paired("trials", searched.trials, searched.trainings):
        reported = trial.study.trials[trial.number].intermediate_values
        expected = {entry["step"]: entry["eval_loss"] for entry in training.evaluations}
        equal(f"what trial {trial.number} reported", reported, expected)


# ---- a trial of one's own -------------------------------------------------------------------

GIVEN = {"learning_rate": 0.03, "num_train_epochs": 2, "per_device_train_batch_size": 4}


@clause("search.dictionary")
@crossing(SEARCHED, injection=BOTH)
def test_dictionary(studio, scenario):
    """`train(trial={...})` is the training whose arguments had these values from the start."""
    expected = studio(scenario, **GIVEN).train()
    got = studio(scenario).train(trial=dict(GIVEN))
    same_training("the trial", got, expected)


@clause("search.trial")
@crossing(SEARCHED, injection=BOTH)
def test_trial(studio, scenario):
    """`train(trial=<Optuna's>)` is the training whose arguments had its values from the start."""
    expected = studio(scenario, **GIVEN).train()
    got = studio(scenario).train(trial=compat.optuna().trial.FixedTrial(dict(GIVEN)))
    same_training("the trial", got, expected)
