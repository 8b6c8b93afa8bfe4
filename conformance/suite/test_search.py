"""Chapter search: where trials begin, which one is the best, and what they write."""

import pytest

from conformance import compat, oracle
from conformance.checks.checkpoint import unprefixed
from conformance.checks.search import begins_fresh, moves
from conformance.judging import close, equal, identical, paired, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import saved
from conformance.running.recorder import checkpoints
from conformance.running.reference import evaluate_by_hand
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
SEARCHED = Scenario(evaluate="epoch", varied_lengths=False)


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
@native_in_full(SEARCHED)
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


@clause("search.best-run")
@crossing(SEARCHED, injection=BOTH)
def test_objective_by_default(runs, scenario):
    """Without metrics of one's own the objective is the loss, else the sum of those, whatever else
    an evaluation reports.
    """
    from transformers.trainer_utils import default_compute_objective

    metrics = dict(runs.train(scenario).evaluations[-1])
    del metrics["step"]
    equal("the objective", default_compute_objective(dict(metrics)), metrics["eval_loss"])
    scored = {**metrics, "eval_accuracy": 0.5, "eval_f1": 0.125}
    equal("the objective of two metrics", default_compute_objective(scored), 0.625)


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
