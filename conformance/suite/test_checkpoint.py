"""Chapter checkpoint: what is written, and that it is what was trained."""

import math

import pytest

from conformance.checks.checkpoint import (
    holds,
    holds_no_base,
    holds_the_adapter,
    load_back,
    loads_back,
    unprefixed,
    written,
)
from conformance.judging import (
    changed,
    close,
    empty,
    equal,
    identical,
    require,
    same,
    same_names,
)
from conformance.marks import clause, crossing, scenarios, sweep
from conformance.running import build, saved
from conformance.running.data import probe
from conformance.running.looking import logits
from conformance.scenarios import Injection, Scenario, core_families

BOTH = tuple(Injection)
NAMED = [
    Scenario(architecture=name, injection=how, adapter=adapter, save="steps", save_steps=2)
    for name in ("llama", "bert")
    for how in BOTH
    for adapter in ("named", "two-adapters", "second-of-two")
]


@clause("checkpoint.adapter-only")
@sweep()
def test_adapter_only(observation):
    """No file of any checkpoint holds a base weight."""
    holds_no_base(observation)


@clause("checkpoint.complete")
@sweep()
def test_complete(observation):
    """A checkpoint's tensors are those that peft names for the adapter, at their own dtype."""
    for save in observation.saves:
        holds_the_adapter(observation, save)


@clause("checkpoint.complete")
@sweep()
def test_holds_all_that_trains(observation):
    """Every trained value is in the last checkpoint, which holds no other: it is the adapter of
    that step.
    """
    scenario, last = observation.scenario, observation.saves[-1]
    held = saved.adapter_tensors(saved.adapter_folder(scenario, last.folder))
    trained = observation.steps[last.step - 1].after.adapter
    _same_values(scenario, last.folder.name, held, trained)


def _same_values(scenario, where, held, expected):
    """The same tensors, by whatever names; where biases are trained, a copy's original's beside."""
    written, trained = (
        {_shape_and_sum(t): n for n, t in tensors.items()} for tensors in (held, expected)
    )
    empty(f"tensors not in {where}", [n for key, n in trained.items() if key not in written])
    strangers = [build.base_name(n) for key, n in written.items() if key not in trained]
    trains = scenario.recipe.trains_base
    empty(f"strangers in {where}", [n for n in strangers if not trains(scenario.family, n)])


def _shape_and_sum(tensor):
    return tuple(tensor.shape), str(tensor.dtype), tensor.double().sum().item()


@clause("checkpoint.size")
@crossing(Scenario(save="steps", max_steps=1), architecture=core_families(), injection=BOTH)
def test_size(runs, scenario):
    """A base twice as wide makes no checkpoint file larger; a larger adapter does.

    Text files may differ by the digits of what they log.
    """
    small, wide = runs.train(scenario), runs.train(scenario.but(wide=True))
    base = [sum(t.numel() for t in seen.base_before.values()) for seen in (small, wide)]
    require(base[1] > base[0], "parameters of the wide base", base[1], f"more than {base[0]}")
    for name in _binary(small.saves[0].files):
        close(f"bytes of {name}", wide.saves[0].files[name], small.saves[0].files[name], 0.01)
    larger = runs.train(scenario.but(adapter="all-linear"))
    sizes = [_bytes_of_weights(seen.saves[0]) for seen in (small, larger)]
    require(sizes[1] > sizes[0], "bytes of the larger adapter", sizes[1], f"more than {sizes[0]}")


def _binary(files):
    return [name for name in files if not name.endswith((".json", ".md"))]


def _bytes_of_weights(save):
    return sum(size for name, size in save.files.items() if name.endswith(saved.WEIGHTS))


@clause("checkpoint.optimizer-state-only-adapter")
@sweep()
def test_optimizer_state_only_adapter(observation):
    """Optimizer state is held, in memory and on disk, for trainable parameters only."""
    got = {n for step in observation.steps for n in step.clipped}
    for step in observation.steps:
        empty("state for strangers", sorted(set(step.after.optimizer) - set(observation.trainable)))
    last = observation.saves[-1]
    held = saved.optimizer_state(last.folder)["state"]
    equal("parameters with state on disk", len(held), len(got))
    moments = sum(entry["exp_avg"].numel() for entry in held.values())
    trained = observation.steps[-1].after.adapter
    equal("first moments on disk", moments, sum(trained[name].numel() for name in got))


CADENCES = {
    Scenario(save="steps", save_steps=2, examples=14): [2, 4, 6, 7],
    Scenario(save="steps", save_steps=3, accumulation=2, epochs=3.0): [3, 6, 9],
    Scenario(save="epoch", epochs=3.0, accumulation=2): [3, 6, 9],
    Scenario(save="epoch", injection="add_adapter", epochs=2.0): [5, 10],
    Scenario(save="steps", injection="add_adapter", save_steps=4, epochs=2.0): [4, 8, 10],
    Scenario(save="no", epochs=2.0): [],
}


@clause("checkpoint.cadence")
@scenarios(CADENCES)
def test_cadence(scenario, observation):
    """Checkpoints are written at the strategy's steps; by steps, when training ends as well."""
    written = [save.step for save in observation.saves]
    equal("checkpoints", written, CADENCES[scenario])
    names = tuple(f"checkpoint-{step}" for step in written)
    equal("folders on disk", observation.checkpoints, names)


@clause("checkpoint.cadence")
@crossing(
    Scenario(save="best", evaluate="steps", epochs=2.0),
    greater_is_better=(False, True),
    injection=BOTH,
)
def test_cadence_best(observation):
    """`save_strategy="best"` writes exactly when an evaluation beats all before it."""
    better = max if observation.scenario.greater_is_better else min
    losses = [(entry["step"], entry["eval_loss"]) for entry in observation.evaluations]
    best = [s for i, (s, v) in enumerate(losses) if v == better(w for _, w in losses[: i + 1])]
    require(len(losses) == 10, "evaluations", len(losses), 10)
    require(
        0 < len(best) < 10 or observation.scenario.greater_is_better, "improvements", best, "some"
    )
    equal("checkpoints", [save.step for save in observation.saves], best)


@clause("checkpoint.total-limit")
@pytest.mark.parametrize("limit", [1, 2, 3])
@crossing(Scenario(save="steps", epochs=2.4), injection=BOTH)
def test_total_limit(runs, scenario, limit):
    """`save_total_limit` keeps that many, the newest, after every save."""
    observation = runs.train(scenario.but(save_total_limit=limit))
    for save in observation.saves:
        expected = range(max(1, save.step - limit + 1), save.step + 1)
        equal(f"kept after step {save.step}", save.kept, tuple(f"checkpoint-{s}" for s in expected))
    equal("saves", len(observation.saves), 12)


@clause("checkpoint.round-trip")
@sweep()
def test_round_trip(observation):
    """A checkpoint loaded onto a fresh base gives the trained model's logits at that step."""
    load_back(observation)
    changed("training", {"logits": observation.base_logits}, {"logits": observation.logits})


@clause("checkpoint.config-round-trip")
@sweep()
def test_config_round_trip(observation):
    """The saved config says what the adapter was trained with."""
    scenario = observation.scenario
    expected = build.adapter_config(scenario).to_dict()
    got = saved.saved_config(scenario, observation.saves[0].folder)
    if scenario.adapter == "default-targets":
        expected["target_modules"] = set(scenario.family.default_targets)
    elif scenario.adapter == "all-linear":
        spelled_out = {"target_modules", "target_parameters"}  # it may be
        got |= {name: expected[name] for name in spelled_out & set(expected)}
    for name in ("base_model_name_or_path", "inference_mode", "peft_version", "auto_mapping"):
        expected.pop(name, None)
    wanted_copies = set(expected.pop("modules_to_save") or ())
    missing = wanted_copies - set(got["modules_to_save"] or ())
    equal("modules_to_save that are missing", missing, set())
    same_names("the config's fields", [n for n in expected if n in got], expected)
    for name, value in expected.items():
        same(f"config field {name}", _plain(got[name]), _plain(value))


def _plain(value):
    """Lists of modules are sets to peft, none and an empty one mean the same, as do enumerations
    and their values.
    """
    if isinstance(value, (set, list, tuple)):
        return sorted(value) or None
    return getattr(value, "value", value)


@clause("checkpoint.named-and-multiple")
@scenarios(NAMED)
def test_named_and_multiple(scenario, observation):
    """Named adapters, and each of several, lie where their loader finds them, with their values."""
    for save in observation.saves:
        for name in written(scenario):
            held = holds(scenario, save, name)
            _same_values(scenario, name, held, _in_memory(observation, save, name))
        if save.logits is not None:
            got = logits(saved.load_adapter(scenario, save.folder), probe(scenario))
            identical("logits", {"logits": got}, {"logits": save.logits})


def _in_memory(observation, save, name):
    """The tensors of that adapter when the checkpoint was written."""
    if name == observation.scenario.recipe.name:
        return observation.steps[save.step - 1].after.adapter
    return {n: t for n, t in observation.adapters_before.items() if name in n.split(".")}


@clause("checkpoint.trainer-state")
@sweep()
def test_trainer_state(observation):
    """`trainer_state.json` records the step, the epoch and the log history at that step, and what
    was planned.
    """
    scenario, per_epoch = observation.scenario, observation.scenario.batches_per_epoch
    planned = {
        "max_steps": scenario.steps,
        "num_train_epochs": math.ceil(scenario.epochs),
        "logging_steps": scenario.logging_steps,
        "train_batch_size": scenario.batch_size,
    }
    for save in observation.saves:
        state = saved.trainer_state(save.folder)
        same("what was planned", {name: state[name] for name in planned}, planned)
        equal("global_step", state["global_step"], save.step)
        seen = sum(len(step.micro_batches) for step in observation.steps[: save.step])
        close("epoch", state["epoch"], seen / per_epoch, 1e-9)
        logged = [entry for entry in observation.log_history if entry["step"] <= save.step]
        same("log_history", state["log_history"], [e for e in logged if "train_runtime" not in e])


@clause("checkpoint.save-only-model")
@crossing(Scenario(save="steps", save_only_model=True, save_steps=2), injection=BOTH)
def test_save_only_model(observation):
    """`save_only_model` writes the adapter, and no optimizer, scheduler or RNG state."""
    for save in observation.saves:
        states = ("optimizer", "scheduler", "rng_state", "scaler")
        empty("files of state", [name for name in save.files if name.startswith(states)])
        held = saved.adapter_tensors(saved.adapter_folder(observation.scenario, save.folder))
        identical("the adapter", unprefixed(held), unprefixed(save.expected["default"]))
    require(bool(observation.saves), "checkpoints", 0, "some")


@clause("checkpoint.save-only-model")
@sweep()
def test_saves_all_states(observation):
    """Without it every checkpoint holds the states of all that trains, and the arguments."""
    expected = {"optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"}
    for save in observation.saves:
        empty(f"files that {save.folder.name} lacks", sorted(expected - set(save.files)))
    require(bool(observation.saves), "checkpoints", 0, "some")


@clause("checkpoint.final-save")
@sweep()
def test_final_save(observation):
    """`save_model()` after training writes an adapter that loads back exactly."""
    observation.completed()
    trained = observation.steps[-1].after.adapter
    loads_back(observation.scenario, observation.output_dir / "final", trained, observation.logits)
