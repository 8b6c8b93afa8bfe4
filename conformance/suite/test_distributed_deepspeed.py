"""Chapter distributed: what DeepSpeed is asked to load, and what it writes."""

import re

from conformance.checks.checkpoint import holds_no_base
from conformance.checks.resume import continues
from conformance.judging import close, equal, identical, paired, require, same_names
from conformance.marks import clause, crossing
from conformance.running import saved
from conformance.scenarios import Scenario

STAGES = ("zero0", "zero1", "zero2", "zero3")
SHARDED = Scenario(launch="zero3", examples=12, save="steps", epochs=2.0, dropout=0.1)
# What a rank writes under its own number: its random numbers, its part of what is sharded.
OWN = r"rng_state_{0}\.pth|global_step\d+/zero_pp_rank_{0}_mp_rank_00_(model|optim)_states\.pt"


@clause("deepspeed.non-strict-load")
@crossing(SHARDED, launch=STAGES)
def test_resume_is_not_strict(runs, scenario):
    """A resume has DeepSpeed load the checkpoint once, with `load_module_strict=False`, and ends as
    the uninterrupted training, on every rank.
    """
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    for expected, got in paired("ranks", full.ranks, resumed.ranks):
        equal("load_module_strict", got.strict_loads, (False,))
        continues(expected, got)


@clause("deepspeed.non-strict-load")
@crossing(SHARDED.but(evaluate="steps", load_best=True, greater_is_better=True), launch=STAGES[:3])
def test_best_is_not_strict(observation):
    """So does `load_best_model_at_end`, and the best checkpoint's adapter is in memory."""
    losses = {entry["eval_loss"]: entry["step"] for entry in observation.evaluations}
    best = losses[max(losses)]
    require(best < len(losses), "the best step", best, "not the last, or nothing is shown")
    for seen in observation.ranks:
        equal("load_module_strict", seen.strict_loads, (False,))
        identical("the adapter in memory", seen.adapters_after, seen.steps[best - 1].after.adapter)


@clause("deepspeed.frozen-excluded")
@crossing(SHARDED.but(dropout=0.0, max_steps=1), launch=("zero3",))
def test_size(runs, scenario):
    """A base twice as wide makes no file of a checkpoint larger, up to logged digits."""
    small, wide = (runs.train(one).saves[0].files for one in (scenario, scenario.but(wide=True)))
    same_names("files", wide, small)
    for name in small:
        close(f"bytes of {name}", wide[name], small[name], 0.01)
    require(any("model_states" in name for name in small), "shards of the model", 0, "some")


@clause("deepspeed.frozen-excluded")
@crossing(SHARDED, launch=("zero3",))
def test_nothing_frozen(observation):
    """No shard holds a parameter that is frozen, by its name, shape or values."""
    for save in observation.saves:
        for file, held in saved.shards(save.folder, "model").items():
            same_names(f"parameters in {file}", held["module"], observation.trainable)
            equal(f"frozen shapes in {file}", held["frozen_param_shapes"], None)
            equal(f"frozen values in {file}", held["frozen_param_fragments"], None)
    holds_no_base(observation)


@clause("deepspeed.shards-rejoin")
@crossing(SHARDED, launch=STAGES[1:])
def test_shards_rejoin(observation):
    """Put together by DeepSpeed's own script, the shards are the adapter of that step."""
    for save in observation.saves[-1:]:
        trained = observation.steps[save.step - 1].after.adapter
        identical(f"the shards of {save.folder.name}", saved.rejoined(save.folder), trained)


@clause("distributed.written-once")
@crossing(SHARDED, launch=STAGES)
def test_shards_written_once(runs, scenario):
    """Where each rank has a disk of its own, a rank but the first writes its own shards and random
    numbers alone, and the first none of another's.
    """
    ranks = runs.again(scenario.but(max_steps=1), own_folders=True).ranks
    sharded = {"zero0": 0, "zero1": 1, "zero2": 1, "zero3": 2}[scenario.launch]
    for rank, seen in enumerate(ranks):
        own = [name for name in seen.saves[0].files if re.fullmatch(OWN.format(rank), name)]
        equal(f"files of rank {rank}'s own", len(own), 1 + sharded)
        others = [name for name in seen.saves[0].files if re.fullmatch(OWN.format(r"\d+"), name)]
        same_names(f"ranks' own files on the disk of rank {rank}", others, own)
    for rank, seen in enumerate(ranks[1:], start=1):
        equal(f"further files that rank {rank} wrote", len(seen.saves[0].files) - 1 - sharded, 0)
    first = ranks[0].saves[0].files
    equal("adapter files of rank 0", [n for n in first if "adapter_model" in n], [saved.WEIGHTS[0]])
