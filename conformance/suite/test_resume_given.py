"""Chapter resume: what else a resume brings back, or is told not to."""

import shutil

import torch
from safetensors.torch import load_file

from conformance.checks.resume import continues, same_batches
from conformance.judging import equal, identical, paired, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import data, hooks, saved
from conformance.scenarios import Injection, Scenario

EACH = Scenario(save="steps", dropout=0.1, accumulation=2, epochs=2.0)


@clause("resume.restores-each")
@native_in_full(Scenario(save="steps", epochs=2.0))
def test_restores_other_generators(runs, scenario, folder):
    """Python's and numpy's generators go on from where they were, inside an epoch and on its edge.

    A callback draws from them before each step, as what augments examples does.
    """
    whole = hooks.Dice()
    full = runs.again(scenario, callbacks=(whole,))
    equal("steps with a draw", sorted(whole.drawn), list(range(1, scenario.steps + 1)))
    for step in (2, scenario.steps_per_epoch):
        rest, checkpoint = hooks.Dice(), str(full.saved(step).folder)
        where = folder / str(step)
        runs.resume_from(scenario, checkpoint, where, callbacks=(rest,)).trained()
        expected = {n: drawn for n, drawn in whole.drawn.items() if n > step}
        equal(f"numbers drawn after step {step}", rest.drawn, expected)


@clause("resume.equals-uninterrupted")
@native_in_full(Scenario(save="steps", dropout=0.1, epochs=2.0))
def test_data_that_draw_on_an_edge(runs, scenario, folder):
    """Examples that are drawn anew whenever they are taken are drawn on, after an epoch."""
    _draws_on(runs, scenario, folder, scenario.steps_per_epoch)


@clause("resume.equals-uninterrupted")
@native_in_full(Scenario(save="steps", dropout=0.1, epochs=2.0))
def test_data_that_draw_within(runs, scenario, folder):
    """The same within an epoch."""
    _draws_on(runs, scenario, folder, 2)


def _draws_on(runs, scenario, folder, step):
    given = {"train_dataset": data.Augmented(data.training_examples(scenario))}
    full = runs.again(scenario, trainer_options=given)
    checkpoint = str(full.saved(step).folder)
    continues(full, runs.resume_from(scenario, checkpoint, folder, trainer_options=given).trained())


@clause("resume.equals-uninterrupted")
@crossing(
    Scenario(save="steps", dropout=0.1),
    adapter=("two-adapters", "second-of-two"),
    injection=tuple(Injection),
)
def test_beside_another_adapter(runs, scenario):
    """Beside an adapter that waits, the active one resumes to the same end; a `PeftModel`, whose
    checkpoints hold both, brings back the waiting one as well.
    """
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    continues(full, resumed)
    require(len(full.configs_after) > 1, "adapters", sorted(full.configs_after), "several")
    if not scenario.native:
        identical("every adapter", resumed.adapters_after, full.adapters_after)


@clause("resume.ignore-data-skip")
@native_in_full(EACH)
def test_resumed_without_skipping(runs, scenario, folder):
    """`ignore_data_skip` begins the epoch again, and ends after the steps that were planned."""
    full, edge = runs.train(scenario), scenario.steps_per_epoch
    checkpoint = str(full.saved(edge + 1).folder)
    unskipped = {"ignore_data_skip": True}
    resumed = runs.resume_from(scenario, checkpoint, folder, extra_arguments=unskipped).trained()
    identical("the adapter as resumed", resumed.start.adapter, full.steps[edge].after.adapter)
    taken = [step.number for step in resumed.steps]
    equal("steps taken", taken, list(range(edge + 2, scenario.steps + 1)))
    require(bool(taken), "steps taken", 0, "some")
    for expected, got in paired("steps", full.steps[edge : edge + len(taken)], resumed.steps):
        same_batches(f"step {got.number}", expected, got)


@clause("resume.ignore-data-skip")
@native_in_full(EACH)
def test_generators_without_skipping(runs, scenario, folder):
    """Python's and numpy's generators go on from the checkpoint where data are not skipped."""
    whole, rest, edge = hooks.Dice(), hooks.Dice(), scenario.steps_per_epoch
    checkpoint = str(runs.again(scenario, callbacks=(whole,)).saved(edge + 1).folder)
    told = {"callbacks": (rest,), "extra_arguments": {"ignore_data_skip": True}}
    runs.resume_from(scenario, checkpoint, folder, **told).trained()
    expected = {step: drawn for step, drawn in whole.drawn.items() if step > edge + 1}
    equal("numbers drawn after the checkpoint", rest.drawn, expected)


@clause("resume.pickled")
@native_in_full(EACH)
def test_resumed_from_pickled(runs, scenario, folder):
    """A checkpoint whose adapter is in `adapter_model.bin` resumes, and loads, just as well."""
    full = runs.train(scenario)
    held, checkpoint = full.saved(2), folder / "checkpoint-2"
    shutil.copytree(held.folder, checkpoint)
    for file in list(checkpoint.rglob("adapter_model.safetensors")):
        torch.save(load_file(file), file.with_name("adapter_model.bin"))
        file.unlink()
    loaded = dict(saved.load_adapter(scenario, checkpoint).named_parameters())
    trained = full.steps[1].after.adapter
    identical("the adapter as loaded", {n: loaded[n].detach() for n in trained}, trained)
    continues(full, runs.resume_from(scenario, str(checkpoint), folder / "rest").trained())
