"""Chapter checkpoint: which checkpoint is the best one, kept, recorded and loaded at the end."""

import math
import shutil

import pytest

from conformance.checks.checkpoint import loads_back
from conformance.judging import changed, equal, identical, note, refused, require, same_names
from conformance.marks import clause, crossing, native_in_full, scenarios
from conformance.running import build, data, saved, trainers
from conformance.scenarios import Injection, Scenario, crossed

BOTH = tuple(Injection)
LOADED = Scenario(evaluate="steps", save="steps", load_best=True, epochs=2.0, learning_rate=0.1)
WAYS = {"injection": BOTH, "greater_is_better": (False, True)}
LIMITED = {**WAYS, "save_total_limit": (0, 1, 2)}
ADAPTERS = {
    "adapter": ("modules-to-save", "named", "two-adapters", "second-of-two"),
    "injection": BOTH,
    "architecture": ("llama", "bert"),
}

METHODS = {"adapter": ("prompt-tuning", "ia3", "trainable-tokens"), "architecture": ("llama",)}


@clause("checkpoint.total-limit")
@crossing(LOADED, **WAYS, save_total_limit=(1, 2))
def test_best_is_never_deleted(observation):
    """The best checkpoint so far stays, whatever the limit, with the newest beside it."""
    better = max if observation.scenario.greater_is_better else min
    for save in observation.saves:
        losses = {e["eval_loss"]: e["step"] for e in save.log_history if "eval_loss" in e}
        best = f"checkpoint-{losses[better(losses)]}"
        require(best in save.kept, f"kept after step {save.step}", save.kept, f"{best} among them")
        most = max(2, observation.scenario.save_total_limit)
        require(len(save.kept) <= most, "checkpoints kept", save.kept, f"at most {most}")


@clause("checkpoint.trainer-state")
@crossing(LOADED, **LIMITED)
def test_trainer_state_best(observation):
    """It records the best metric and its checkpoint so far."""
    better = max if observation.scenario.greater_is_better else min
    kept = [save for save in observation.saves if save.folder.name in observation.checkpoints]
    for save in kept:
        state = saved.trainer_state(save.folder)
        losses = {e["eval_loss"]: e["step"] for e in state["log_history"] if "eval_loss" in e}
        equal("best_metric", state["best_metric"], better(losses))
        best = f"checkpoint-{losses[better(losses)]}"
        equal("best_model_checkpoint", str(state["best_model_checkpoint"]).rpartition("/")[2], best)


def best(profile):
    """Each way to choose and to keep the best, then each kind of adapter."""
    for values in (LIMITED, ADAPTERS, METHODS):
        yield from crossed(profile.crossing, values, LOADED)
    yield from crossed(profile.crossing, WAYS, LOADED.but(save="best", save_total_limit=1))


@clause("checkpoint.best-model")
@scenarios(best)
def test_best_model(observation):
    """`load_best_model_at_end` leaves the best checkpoint's adapter in memory, still trainable."""
    better = max if observation.scenario.greater_is_better else min
    losses = {entry["eval_loss"]: entry["step"] for entry in observation.evaluations}
    best = losses[better(losses)]
    require(
        best < 10 or len(losses) < 10, "the best step", best, "not the last, or nothing is shown"
    )
    expected = observation.steps[best - 1].after.adapter
    identical(
        "the adapter left in memory", {n: observation.adapters_after[n] for n in expected}, expected
    )
    trainable = [n for n, p in observation.parameters_after.items() if p.requires_grad]
    same_names("trainable parameters", trainable, observation.trainable)
    where = observation.saved(best).folder
    loads_back(observation.scenario, where, expected, observation.logits)


# ---- by a metric of one's own ---------------------------------------------------------------

SCORED = Scenario(evaluate="steps", save="steps", load_best=True, greater_is_better=True)


class Scores:
    """A `compute_metrics` that reports the given scores, one an evaluation, under a name."""

    def __init__(self, scores, name):
        self.scores = list(scores)
        self.name = name

    def __call__(self, _):
        """The next one."""
        return {self.name: self.scores.pop(0)}


def _scored(scores, name="score"):
    return {
        "compute_metrics": Scores(scores, name),
        "preprocess_logits_for_metrics": lambda logits, labels: labels,
    }


def _trained(runs, scenario, scores, name="score", **arguments):
    asked = {"metric_for_best_model": name, **arguments}
    return runs.again(scenario, trainer_options=_scored(scores), extra_arguments=asked)


def _best_is(observation, step, metric=None):
    if metric is not None:
        equal("best_metric", observation.best_metric, metric)
    name = str(observation.best_checkpoint).rpartition("/")[2]
    equal("best_model_checkpoint", name, f"checkpoint-{step}")
    expected = observation.steps[step - 1].after.adapter
    left = {n: observation.adapters_after[n] for n in expected}
    identical("the adapter left in memory", left, expected)
    if step < len(observation.steps):
        moving = {n: t for n, t in expected.items() if "lora_B" in n}
        changed("training after the best step", moving, observation.last_state.adapter)


@clause("checkpoint.total-limit")
@crossing(SCORED.but(save_total_limit=2))
def test_best_below_another_spelling(trainer_class, scenario, folder):
    """The best checkpoint stays where the path of the folder is spelt otherwise than need be."""
    where, asked = f"{folder}//runs/.", {"metric_for_best_model": "score"}
    given = {"evaluated": data.evaluation_examples(scenario), **_scored((0.4, 0.9, 0.1, 0.5, 0.3))}
    trainers.trainer(trainer_class, scenario, where, extra_arguments=asked, **given).train()
    kept = sorted(path.name for path in folder.glob("runs/checkpoint-*"))
    equal("checkpoints kept", kept, ["checkpoint-2", "checkpoint-5"])


@clause("checkpoint.best-model")
@crossing(SCORED, greater_is_better=(True, False), injection=BOTH)
def test_best_by_a_metric(runs, scenario):
    """The highest score wins where greater is better, else the lowest."""
    observation = _trained(runs, scenario, (0.4, 0.9, 0.1, 0.5, 0.3))
    _best_is(observation, *((2, 0.9) if scenario.greater_is_better else (3, 0.1)))


@clause("checkpoint.best-model")
@crossing(SCORED, injection=BOTH)
def test_best_by_a_prefixed_name(runs, scenario):
    """The metric may be named with the prefix `eval_`; greater is better unless it is a loss."""
    undecided = {"name": "eval_score", "greater_is_better": None}
    _best_is(_trained(runs, scenario, (0.4, 0.9, 0.1, 0.5, 0.3), **undecided), 2, 0.9)


@clause("checkpoint.best-model")
@crossing(SCORED, greater_is_better=(True, False), injection=BOTH)
def test_first_best_of_equals(runs, scenario):
    """Of several equal bests the first one stays: a score has to be better, not as good."""
    best = 0.9 if scenario.greater_is_better else 0.1
    _best_is(_trained(runs, scenario, (0.5, best, best, 0.5, best)), 2, best)


@clause("checkpoint.nan-metric")
@crossing(SCORED, greater_is_better=(True, False), injection=BOTH)
def test_nan_is_never_best(runs, scenario):
    """A score that is not a number beats none, and is beaten by any, first or later."""
    observation = _trained(runs, scenario, (math.nan, 0.5, math.nan, math.nan, math.nan))
    note(best_checkpoint=str(observation.best_checkpoint).rpartition("/")[2])
    _best_is(observation, 2, 0.5)


@clause("checkpoint.best-metric-missing")
@crossing(SCORED, injection=BOTH)
def test_missing_metric_is_refused(runs, scenario, folder):
    """A metric that no evaluation reports is an error that names those there are."""
    failure = runs.resume_from(
        scenario, None, folder, extra_arguments={"metric_for_best_model": "zzz"}
    ).failure
    require(failure is not None, "a metric that is not there", "no error", "an error")
    named = "eval_zzz" in failure.message and "eval_loss" in failure.message
    require(named, "the message", str(failure), "the metric and those there are")


@clause("checkpoint.best-model")
@pytest.mark.parametrize("name", ["one_loss", "one_score"])
@native_in_full(SCORED)
def test_best_of_one_dataset(runs, scenario, name):
    """Of several datasets the named one's metric decides; less is better where it is a loss."""
    values = {"one": (0.4, 0.9, 0.1, 0.5, 0.3), "two": (0.1, 0.2, 0.3, 0.4, 0.5)}
    scores = [value for step in zip(*values.values(), strict=True) for value in step]
    kind = name.partition("_")[2]
    parts = dict.fromkeys(values, data.evaluation_examples(scenario))
    handed = trainers.trainer_keywords(runs.trainer_class, scenario, parts)
    options = _scored(scores, kind) | {"eval_dataset": handed["eval_dataset"]}
    decided = {"metric_for_best_model": f"eval_{name}", "greater_is_better": None}
    observation = runs.again(scenario, trainer_options=options, extra_arguments=decided)
    _best_is(observation, *((3, 0.1) if kind == "loss" else (2, 0.9)))


@clause("checkpoint.best-model")
@pytest.mark.parametrize("highest", [2, 3])
@native_in_full(SCORED.but(save_steps=2))
def test_best_between_checkpoints(runs, scenario, highest):
    """Evaluated more often than saved, the best checkpoint that was written is the best, also where
    a step after it was better.
    """
    scores = {2: (0.4, 0.9, 0.1, 0.5, 0.3), 3: (0.4, 0.8, 0.9, 0.5, 0.3)}[highest]
    observation = _trained(runs, scenario, scores)
    equal("best_metric", observation.best_metric, 0.9)
    _best_is(observation, 2)


@clause("checkpoint.best-model")
@native_in_full(SCORED)
def test_best_over_a_resume(runs, scenario, folder):
    """A checkpoint before the one that is resumed from stays the best, and is loaded at the end."""
    whole = _trained(runs, scenario, (0.4, 0.9, 0.1, 0.5, 0.3))
    asked = {"metric_for_best_model": "score"}
    checkpoint = str(whole.saved(3).folder)
    resumed = runs.resume_from(
        scenario, checkpoint, folder, trainer_options=_scored((0.5, 0.3)), extra_arguments=asked
    ).trained()
    equal("steps of the resumed training", [step.number for step in resumed.steps], [4, 5])
    equal("best_metric", resumed.best_metric, 0.9)
    expected = whole.steps[1].after.adapter
    left = {name: resumed.adapters_after[name] for name in expected}
    identical("the adapter left in memory", left, expected)


@clause("checkpoint.best-model")
@native_in_full(SCORED)
def test_best_is_gone(runs, scenario, folder):
    """Where the best checkpoint was not moved along with the one that is resumed from, and nothing
    better comes, the training ends with what it has.
    """
    whole = _trained(runs, scenario, (0.1, 0.9, 0.4, 0.5, 0.3))
    moved = folder / "moved" / "checkpoint-5"
    shutil.copytree(whole.saved(5).folder, moved)
    shutil.rmtree(whole.saved(2).folder)
    longer, asked = scenario.but(epochs=2.0, save_total_limit=1), {"metric_for_best_model": "score"}
    options = {"trainer_options": _scored((0.3, 0.4, 0.2, 0.1, 0.1)), "extra_arguments": asked}
    resumed = runs.resume_from(longer, str(moved), folder, **options).trained()
    equal("global_step", resumed.output.global_step, longer.steps)
    expected = resumed.last_state.adapter
    left = {name: resumed.adapters_after[name] for name in expected}
    identical("the adapter left in memory", left, expected)


UNFIT = [
    {"save_strategy": "epoch"},
    {"eval_strategy": "no"},
    {"save_steps": 3},
    {"save_steps": 0.5},  # a share of all steps beside a number of them
    {"eval_steps": 0.3},
    {"save_steps": 0.5, "eval_steps": 0.2},
]
STEPS = Scenario(load_best=True, save="steps", save_steps=2, evaluate="steps", eval_steps=2)


@clause("checkpoint.best-unfit")
@pytest.mark.parametrize("number", range(len(UNFIT)))
@crossing(STEPS)
def test_unfit_strategies_are_refused(trainer_class, scenario, folder, number):
    """The best model cannot be loaded unless every checkpoint comes with an evaluation."""
    _is_refused(trainer_class, scenario, folder, UNFIT[number])


@clause("checkpoint.best-unfit")
@crossing(STEPS)
def test_share_beside_steps_is_refused(trainer_class, scenario, folder):
    """The same of a share of all steps that would go into the number of steps, were it one."""
    _is_refused(trainer_class, scenario, folder, {"eval_steps": 0.5})


def _is_refused(trainer_class, scenario, folder, unfit):
    build.arguments(scenario, folder, trainer_class)  # which fits
    refused(
        f"load_best_model_at_end with {unfit}",
        lambda: build.arguments(scenario, folder, trainer_class, **unfit),
        error=ValueError,
        says="load_best_model_at_end requires",
    )
