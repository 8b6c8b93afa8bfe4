"""Chapter resume: going on from a checkpoint as if nothing had happened."""

import shutil
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conformance import compat
from conformance.judging import changed, close, equal, identical, note_count, paired, require, same
from conformance.marks import clause, scenarios, sweep
from conformance.running import child, reference
from conformance.scenarios import Injection, Scenario, families
from conformance.scenarios.strategies import resumable

BOTH = tuple(Injection)
CAUSAL = ("llama", "gpt2")
EVERY_STEP = [
    Scenario(save="steps", dropout=0.1, accumulation=2, epochs=2.0, examples=9),
    Scenario(save="steps", adapter="lora-dropout", architecture="t5", drop_last=True, epochs=2.0),
]
SPECIAL = [
    Scenario(save="steps", workers=2, dropout=0.1),
    Scenario(save="steps", workers=1, accumulation=2, injection="add_adapter"),
    Scenario(save="steps", save_total_limit=1, accumulation=3, epochs=3.0),
    Scenario(save="steps", save_total_limit=2, load_best=True, evaluate="steps", epochs=2.0),
    Scenario(save="steps", save_steps=3, evaluate="steps", dropout=0.1, epochs=2.0),
    Scenario(save="steps", sampling="group_by_length", examples=13, dropout=0.1, epochs=2.0),
    Scenario(save="epoch", epochs=3.0, accumulation=4, drop_last=True, examples=11),
    Scenario(save="steps", max_steps=13, accumulation=2, schedule="cosine", warmup_steps=3),
    Scenario(save="steps", optimizer="sgd", learning_rate=0.3, architecture="gpt2"),
    Scenario(save="steps", custom_loss=True, accumulation=2, architecture="bert"),
]
TIMED = ("runtime", "per_second")


# ---- equals the uninterrupted training ------------------------------------------------------


@clause("resume.equals-uninterrupted")
@sweep()
def test_sweep(runs, profile, scenario):
    """Resumed inside an epoch and on its edge, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    for step in _points(full, profile):
        _continues(full, runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@scenarios(EVERY_STEP)
def test_every_step(runs, scenario):
    """The same from each checkpoint there is."""
    full = runs.train(scenario)
    for save in full.saves[:-1]:
        _continues(full, runs.resume(scenario, save.step))


@clause("resume.equals-uninterrupted")
@scenarios(SPECIAL)
def test_special(runs, profile, scenario):
    """The same with data loader workers, limits, evaluations, sampling by length."""
    unlimited = scenario.but(save_total_limit=0)
    full = runs.train(unlimited)
    for step in _points(full, profile):
        _continues(full, runs.resume(unlimited, step))


@clause("resume.equals-uninterrupted")
@scenarios([scenario for scenario in SPECIAL if scenario.save_steps == 1])
def test_in_the_same_folder(runs, scenario):
    """Broken off, and restarted in its own folder with `True`: the same end, the same folder."""
    full = runs.train(scenario)
    resumed = runs.continue_(scenario, full.saves[len(full.saves) // 2].step)
    _continues(full, resumed)
    equal("checkpoints at the end", resumed.checkpoints, full.checkpoints)


@clause("resume.equals-uninterrupted")
@given(scenario=resumable(), draw=st.data())
def test_generated(runs, tolerating, scenario, draw):
    """The same for any training and any step."""
    with tolerating(scenario):
        full = runs.train(scenario)
        step = draw.draw(st.integers(1, scenario.steps - 1), label="resumed after step")
        _continues(full, runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@scenarios([Scenario(save="steps", logging_steps=3, epochs=2.0)])
def test_logged_loss_across_the_checkpoint(runs, scenario):
    """A logging interval that the checkpoint falls into is logged as in the uninterrupted run."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 4)
    same("log history", _history(resumed.log_history), _history(full.log_history))


@clause("resume.equals-uninterrupted")
@scenarios(
    lambda profile: [
        Scenario(save="steps", accumulation=2, dropout=0.1, architecture=name)
        for name in ((), ("llama",), families())[profile.strength - 1]
    ]
)
def test_in_a_fresh_process(runs, scenario, trainer_class, folder):
    """A process that was started for it resumes to exactly the same adapter."""
    full, result = runs.train(scenario), folder / "result.pt"
    ended = child.start(
        scenario=scenario,
        trainer=_path_of(trainer_class),
        folder=folder / "out",
        result=result,
        resume=full.saved(2).folder,
    )
    require(ended.returncode == 0, "the resumed process", _ending(ended), "exit status 0")
    identical("the adapter", torch.load(result), full.steps[-1].after.adapter)


def _continues(full, resumed):
    """Step by step and at its end, a resumed training is the rest of the uninterrupted one."""
    began = resumed.first.number
    rest = full.steps[began - 1 :]
    equal(
        "steps taken after the resume", [s.number for s in resumed.steps], [s.number for s in rest]
    )
    for expected, got in zip(rest, resumed.steps, strict=True):
        where = f"resumed at {began - 1}, step {expected.number}"
        _same_batches(where, expected, got)
        equal(f"{where}: learning rates", got.learning_rates, expected.learning_rates)
        equal(f"{where}: losses", [m.loss for m in got.micro_batches], _losses(expected))
        identical(f"{where}: gradients", got.clipped, expected.clipped)
        identical(f"{where}: the adapter", got.after.adapter, expected.after.adapter)
    _ends_alike(full, resumed)


def _ends_alike(full, resumed):
    last, other = full.steps[-1].after, resumed.steps[-1].after
    identical("the adapter at the end", other.adapter, last.adapter)
    identical("the adapter left in memory", resumed.adapters_after, full.adapters_after)
    same("the optimizer at the end", other.optimizer, last.optimizer)
    same("the scheduler at the end", other.scheduler, last.scheduler)
    equal("global_step", resumed.output.global_step, full.output.global_step)
    for name in ("epoch", "total_flos"):
        equal(name, resumed.output.metrics[name], full.output.metrics[name])
    interval, first = full.scenario.logging_steps, resumed.first.number
    torn = first + (-first % interval) if (first - 1) % interval else 0
    same("log history", _history(resumed.log_history, torn), _history(full.log_history, torn))
    moving = {n: t for n, t in resumed.start.adapter.items() if "lora_B" in n}
    changed("training after the resume", moving, other.adapter)
    note_count("resumes")


def _history(entries, torn=0):
    """Log entries without what measures time, and without the loss of a torn interval (which has
    a test of its own).
    """
    return [
        {
            name: value
            for name, value in entry.items()
            if not any(mark in name for mark in TIMED)
            and not (name == "loss" and entry["step"] == torn)
        }
        for entry in entries
        if "train_runtime" not in entry
    ]


def _points(full, profile):
    """Steps to resume after: all, or the last of the first epoch and one inside an epoch."""
    steps = [save.step for save in full.saves if save.step < len(full.steps)]
    if not profile.resume_points:
        return steps
    edge = full.scenario.steps_per_epoch
    inside = [step for step in steps if step % edge] or steps
    on_edge = [step for step in steps if step % edge == 0]
    return [inside[len(inside) // 2], *on_edge[:1]][: profile.resume_points]


def _losses(step):
    return [micro.loss for micro in step.micro_batches]


def _same_batches(where, expected, got):
    equal(f"{where}: micro-batches", len(got.micro_batches), len(expected.micro_batches))
    for one, other in zip(expected.micro_batches, got.micro_batches, strict=True):
        identical(f"{where}: the batch", other.inputs, one.inputs)


def _ending(process):
    return f"exit status {process.returncode}, {process.stderr[-500:]}"


def _path_of(trainer_class):
    return f"{trainer_class.__module__}:{trainer_class.__qualname__}"


# ---- what is restored, one by one -----------------------------------------------------------

EACH = [
    Scenario(
        architecture=name, injection=how, save="steps", dropout=0.1, accumulation=2, epochs=2.0
    )
    for name in families()
    for how in BOTH
]


@clause("resume.restores-each")
@scenarios(EACH)
def test_restores_adapter(runs, scenario):
    """The adapter is the checkpoint's before the first step, not the one that was passed in."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    identical("the adapter as resumed", resumed.start.adapter, full.steps[1].after.adapter)
    moving = {n: t for n, t in resumed.start.adapter.items() if "lora_A" in n}
    changed("loading the checkpoint", moving, resumed.adapters_before)


@clause("resume.restores-each")
@scenarios([Scenario(adapter="p-tuning", save="steps", architecture=name) for name in CAUSAL])
def test_restores_p_tuning(runs, scenario):
    """The prompt encoder of P-tuning is the checkpoint's, not the one that was passed in."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    identical("the adapter as resumed", resumed.start.adapter, full.steps[1].after.adapter)


@clause("resume.restores-each")
@scenarios(EACH)
def test_restores_optimizer(runs, scenario):
    """The optimizer's moments and step counts are the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    same("the optimizer as resumed", resumed.start.optimizer, full.steps[1].after.optimizer)
    require(bool(resumed.start.optimizer), "optimizer state", "none", "some")


@clause("resume.restores-each")
@scenarios(EACH)
def test_restores_schedule(runs, scenario):
    """The scheduler's state and the next learning rate are the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    same("the scheduler as resumed", resumed.start.scheduler, full.steps[1].after.scheduler)
    equal("the next rates", resumed.first.learning_rates, full.steps[2].learning_rates)


@clause("resume.restores-each")
@scenarios(EACH)
def test_restores_random_numbers(runs, scenario):
    """Torch's generator is in the same state at every micro-batch."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    expected = [micro.rng for step in full.steps[2:] for micro in step.micro_batches]
    got = [micro.rng for step in resumed.steps for micro in step.micro_batches]
    equal("states of torch's generator", got, expected)
    require(len(set(got)) > 1, "the generator", "was never drawn from", "dropout draws")


@clause("resume.restores-each")
@scenarios(EACH)
def test_restores_data_position(runs, scenario):
    """The first batch after a resume is the one after the checkpoint's last; none comes twice."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    for expected, got in paired("steps", full.steps[2:], resumed.steps):
        _same_batches(f"step {expected.number}", expected, got)


@clause("resume.restores-each")
@scenarios(EACH)
def test_restores_log_history(runs, scenario):
    """The log history begins with the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    held = full.saved(2).log_history
    require(len(held) == 2, "entries in the checkpoint", len(held), 2)
    same("the first entries", list(resumed.log_history[: len(held)]), list(held))


@clause("resume.restores-each")
@scenarios([Scenario(save="steps", injection=how) for how in BOTH])
def test_restores_callbacks(runs, scenario, folder):
    """A callback's exported state is restored where that is asked for."""
    counted = []
    options = {
        "extra_arguments": compat.restoring_callbacks(),
        "callbacks": (compat.counting_callback(counted),),
    }
    full = runs.again(scenario, **options)
    checkpoint = str(full.saved(3).folder)
    runs.resume_from(scenario, checkpoint, folder, **options).trained()
    equal("steps that the callbacks counted", counted, [scenario.steps, scenario.steps])


# ---- where it resumes from ------------------------------------------------------------------


@clause("resume.path")
@scenarios(
    [Scenario(save="steps", injection=how, architecture=n) for how in BOTH for n in families()]
)
def test_path(runs, scenario):
    """A path resumes from that checkpoint, though later ones lie beside it."""
    full = runs.train(scenario)
    for step in (1, 3):
        resumed = runs.resume(scenario, step)
        equal("the first step taken", resumed.first.number, step + 1)
        identical("the adapter", resumed.start.adapter, full.steps[step - 1].after.adapter)


@clause("resume.true-takes-latest")
@scenarios([Scenario(save="steps", epochs=2.4, injection=how) for how in BOTH])
def test_true_takes_latest(runs, scenario):
    """`True` resumes from checkpoint-10, not from checkpoint-9, whichever was touched last."""
    folder = runs.interrupt(scenario, 10)
    (folder / "checkpoint-9" / "touched").touch()
    (folder / "checkpoint-99-notes").mkdir()
    resumed = runs.resume_from(scenario, True, folder).trained()
    equal("the first step taken", resumed.first.number, 11)
    expected = runs.train(scenario).steps[9].after.adapter
    identical("the adapter", resumed.start.adapter, expected)


@clause("resume.none-and-false")
@scenarios([Scenario(save="steps", injection=how) for how in BOTH])
def test_none_and_false(runs, scenario):
    """`None` and `False` start afresh, whatever lies in the folder."""
    fresh = runs.train(scenario)
    for nothing in (None, False):
        folder = runs.interrupt(scenario.but(seed=8), 3)
        again = runs.resume_from(scenario, nothing, folder, adapter_seed=101).trained()
        equal(f"{nothing}: steps", [s.number for s in again.steps], [s.number for s in fresh.steps])
        identical(f"{nothing}: the adapter", again.adapters_after, fresh.adapters_after)


# ---- what cannot be resumed from ------------------------------------------------------------


@clause("resume.missing-refused")
@scenarios([Scenario(save="steps", injection=how) for how in BOTH])
def test_missing_path_refused(runs, scenario, folder):
    """A path that is not there is an error, and no step is taken."""
    gone = folder / "checkpoint-7"
    _refused("a missing path", runs.resume_from(scenario, str(gone), folder), says=gone.name)


@clause("resume.missing-refused")
@scenarios([Scenario(save="steps", injection=how) for how in BOTH])
def test_empty_path_refused(runs, scenario, folder):
    """A folder without a checkpoint in it is an error, and no step is taken."""
    hollow = folder / "checkpoint-7"
    hollow.mkdir()
    _refused("an empty folder", runs.resume_from(scenario, str(hollow), folder), says=hollow.name)


@clause("resume.missing-refused")
@scenarios([Scenario(save="steps", injection=how) for how in BOTH])
def test_true_without_checkpoint_refused(runs, scenario, folder):
    """`True` in a folder without checkpoints is an error, and no step is taken."""
    _refused("True, no checkpoint", runs.resume_from(scenario, True, folder), says="checkpoint")


DAMAGES = [
    Scenario(save="steps", adapter=adapter, injection=how)
    for adapter in ("lora", "modules-to-save")
    for how in BOTH
]


@clause("resume.damaged-refused")
@pytest.mark.parametrize(
    "pattern", ["adapter_model*", "optimizer.pt", "scheduler.pt", "trainer_state.json"]
)
@scenarios(DAMAGES)
def test_truncated_file_refused(runs, scenario, folder, pattern):
    """A file of the checkpoint that was cut short is an error."""
    _refused(f"a cut {pattern}", _resumed_from_cut(runs, scenario, folder, pattern))


@clause("resume.damaged-refused")
@scenarios(DAMAGES)
def test_missing_adapter_refused(runs, scenario, folder):
    """An adapter file that is missing, its config there, is an error."""
    damaged = _copy(runs, scenario, folder)
    for file in damaged.glob("adapter_model*"):
        file.unlink()
    _refused("no adapter file", runs.resume_from(scenario, str(damaged), folder))


def _resumed_from_cut(runs, scenario, folder, pattern):
    damaged = _copy(runs, scenario, folder)
    (file,) = damaged.glob(pattern)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return runs.resume_from(scenario, str(damaged), folder)


def _copy(runs, scenario, folder) -> Path:
    original = runs.train(scenario).saved(3).folder
    return Path(shutil.copytree(original, folder / "checkpoint-3"))


def _refused(what, resumed, says=""):
    """The resume failed with an error of some kind before any step was taken."""
    failure = resumed.failure
    equal(f"{what}: steps taken", len(resumed.steps), 0)
    require(failure is not None, what, "trained on without an error", "an error")
    require(says in failure.message, f"{what}: the message", str(failure), f"one with {says!r}")


# ---- killed ---------------------------------------------------------------------------------


@clause("resume.after-kill")
@scenarios([Scenario(save="steps", dropout=0.1)])
def test_killed_while_training(runs, scenario, trainer_class, folder, profile):
    """Killed between two checkpoints, `True` resumes from the last one to the same end."""
    _killed(scenario, trainer_class, folder, profile, die_at=3)
    _continues(runs.train(scenario), runs.resume_from(scenario, True, folder).trained())


@clause("resume.after-kill")
@scenarios([Scenario(save="steps", dropout=0.1)])
def test_killed_while_saving(runs, scenario, trainer_class, folder, profile):
    """Killed in the middle of writing a checkpoint, `True` resumes from a whole one."""
    _killed(scenario, trainer_class, folder, profile, die_at="checkpoint-3/trainer_state.json")
    _continues(runs.train(scenario), runs.resume_from(scenario, True, folder).trained())


def _killed(scenario, trainer_class, folder, profile, die_at):
    if profile.strength < 2:
        raise compat.Unavailable(f"profile {profile.name} starts no processes")
    path = _path_of(trainer_class)
    ended = child.start(scenario=scenario, trainer=path, folder=folder, result="", die_at=die_at)
    require(ended.returncode == -signal.SIGKILL, "the process", _ending(ended), "killed itself")
    require((folder / "checkpoint-2").is_dir(), "checkpoint-2 before the kill", "missing", "there")


# ---- longer than planned --------------------------------------------------------------------

LONGER = [
    Scenario(save="steps", schedule="constant", dropout=0.1, injection=how, accumulation=acc)
    for how in BOTH
    for acc in (1, 2)
]


@clause("resume.longer-schedule")
@scenarios(LONGER)
def test_more_epochs(runs, scenario, folder):
    """With a constant rate, resumed for more epochs equals planned for them."""
    short, long = runs.train(scenario), runs.train(scenario.but(epochs=2.0))
    for step in (2, scenario.steps):
        checkpoint = str(short.saved(step).folder)
        resumed = runs.resume_from(scenario.but(epochs=2.0), checkpoint, folder).trained()
        _continues(long, resumed)


@clause("resume.longer-schedule")
@scenarios([Scenario(save="steps", schedule=name) for name in ("linear", "cosine")])
def test_more_steps(runs, scenario, folder):
    """From the second step on the rates are those of the named schedule over the new length.

    The first one's was decided, and saved, by the shorter schedule. Tolerance: one rounding.
    """
    longer = scenario.but(max_steps=9)
    checkpoint = str(runs.train(scenario).saved(4).folder)
    resumed = runs.resume_from(longer, checkpoint, folder).trained()
    equal("steps taken", [step.number for step in resumed.steps], [5, 6, 7, 8, 9])
    for step in resumed.steps[1:]:
        expected = reference.learning_rate(longer, step.number - 1)
        close(f"rate of step {step.number}", step.learning_rates[0], expected, 1e-15)
