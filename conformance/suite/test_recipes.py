"""Chapter recipes: the documentation's own examples, run as they are written."""

import pytest

from conformance.checks import frozen
from conformance.checks.checkpoint import holds_no_base, holds_the_adapter
from conformance.checks.resume import continues
from conformance.compat import Unavailable
from conformance.judging import (
    Violation,
    changed,
    close,
    equal,
    identical,
    note,
    paired,
    require,
    same,
)
from conformance.marks import clause, crossing, scenarios
from conformance.running import placing, recipes
from conformance.running.recipes import Recipe, RecipeRun
from conformance.scenarios import Injection
from conformance.scenarios.documented import EVERY_STEP, EXAMPLES, FOR_A_CPU, LORA, QLORA, WRAPPED

PAST_A_SAVE = QLORA.but(examples=1616)  # 101 steps
FLAGS = {"lora": "fp16", "qlora": "bf16"}
FORMS = pytest.mark.parametrize("form", ["as-written", "for-a-cpu"])
ROUNDING = 6e-6  # a mean of fewer than 100 float32 values, see `conformance.oracle`


def example(name, scenario, folder, form="for-a-cpu"):
    """The example of that name on a tiny checkpoint, as it is written or as a CPU needs it."""
    if name == "qlora":
        recipes.needs_bitsandbytes()
    recipe = Recipe(name, scenario, recipes.published(folder / "published"))
    if not scenario.native:
        recipe = recipe.but(*WRAPPED)
    return recipe.but(*FOR_A_CPU[name]) if form == "for-a-cpu" and placing.on_cpu() else recipe


def run(runs, recipe, folder, resume_from=None, **options):
    """Run an example; its precision may be refused where there is no GPU.

    An example that does not even come to train for another reason is a failure of its own.
    """
    seen = RecipeRun(recipe, folder, runs.trainer_class, **options)(resume_from)
    if seen.failure is None or seen.failure.phase not in ("build", "inject", "construct"):
        return seen
    if seen.failure.phase == "construct" and FLAGS[recipe.name] in seen.failure.message:
        raise Unavailable(f"refused without a GPU: {seen.failure.message}")
    raise Violation(f"the example {recipe.name}", str(seen.failure), "trains")


def keeps_the_clauses(recipe, seen):
    """Base, adapter, optimizer, checkpoints, and output are as documented."""
    seen.completed()
    frozen.base_stays(seen)
    frozen.settings_kept(seen)
    frozen.no_base_gradient(seen)
    frozen.optimizer_holds_the_adapter(seen)
    identical("disabled", {"logits": seen.disabled_logits}, {"logits": seen.base_logits})
    output_is_documented(recipe.scenario, seen)
    holds_no_base(seen)
    for save in seen.saves:
        holds_the_adapter(seen, save)
        model = recipes.loaded_back(recipe, save.folder)
        named = dict(model.named_parameters())
        trained = seen.steps[save.step - 1].after.adapter
        identical("the adapter loaded back", {n: named[n] for n in trained}, trained)
        if save.logits is not None:
            got = recipes.probed(model, recipe.scenario)
            identical("logits loaded back", {"logits": got}, {"logits": save.logits})
    changed("training", {"logits": seen.base_logits}, {"logits": seen.logits})


def output_is_documented(scenario, seen):
    """Steps, checkpoints, logs and `TrainOutput` are those of the arguments."""
    equal("optimizer steps", len(seen.steps), scenario.steps)
    equal("global_step", seen.output.global_step, scenario.steps)
    mean = sum(step.loss for step in seen.steps) / len(seen.steps)
    close("training_loss", seen.output.training_loss, mean, ROUNDING)
    every = scenario.steps_per_epoch if scenario.save == "epoch" else scenario.save_steps
    planned = list(range(every, scenario.steps + 1, every))
    written = [save.step for save in seen.saves]
    allowed = (planned, [*planned, scenario.steps])  # the last one may be saved besides
    require(written in allowed, "checkpoints", written, planned)
    logged = [entry["step"] for entry in seen.logs]
    equal("logged steps", logged, list(range(scenario.logging_steps, scenario.steps + 1, 10)))


# ---- the basic example ----------------------------------------------------------------------


@clause("recipes.lora")
@FORMS
@scenarios([LORA])
def test_lora(runs, scenario, folder, form):
    """The example trains and keeps every clause it touches."""
    recipe = example("lora", scenario, folder, form)
    keeps_the_clauses(recipe, run(runs, recipe, folder / "out"))


# ---- QLoRA ----------------------------------------------------------------------------------


@clause("recipes.qlora")
@FORMS
@scenarios(lambda profile: [QLORA, PAST_A_SAVE] if profile.name == "full" else [QLORA])
def test_qlora(runs, scenario, folder, form):
    """The example trains and keeps every clause it touches; the packed base is bit-identical."""
    recipe = example("qlora", scenario, folder, form)
    seen = run(runs, recipe, folder / "out")
    keeps_the_clauses(recipe, seen)
    packed = [name for name in seen.base_before if name.endswith("absmax")]
    require(len(packed) > 0, "quantized layers", len(packed), "some")


# ---- without a GPU --------------------------------------------------------------------------


@clause("recipes.without-gpu")
@pytest.mark.parametrize("name", ["lora", "qlora"])
def test_without_gpu(runs, folder, name):
    """As written, an example's precision is refused by name, or it is the run for a CPU."""
    scenario = EXAMPLES[name]
    recipe = example(name, scenario, folder)
    plain = run(runs, recipe, folder / "plain").completed()
    written = RecipeRun(
        example(name, scenario, folder, "as-written"), folder / "written", runs.trainer_class
    )()
    note(precision="refused" if written.failure else "without effect")
    if written.failure is not None:
        said = written.failure.message
        require(FLAGS[name] in said, "the refusal", said, f"{FLAGS[name]} in it")
        return
    for got, expected in paired("steps", written.steps, plain.steps):
        same("the loss", got.loss, expected.loss)
        identical("the adapter", got.after.adapter, expected.after.adapter)


# ---- resumed --------------------------------------------------------------------------------


def broken_off_and_resumed(runs, profile, recipe, folder):
    """The uninterrupted run, and from its checkpoints but the last the run that was resumed."""
    full = run(runs, recipe, folder / "whole")
    full.trained()
    steps = [save.step for save in full.saves[:-1]][: profile.resume_points or None]
    require(bool(steps), "checkpoints to resume from", len(steps), "some")
    for step in steps:
        where = folder / f"broken-off-{step}"
        run(runs, recipe, where, interrupt_at=step)
        continues(full, run(runs, recipe, where, resume_from=True, noise=99).trained())


@clause("recipes.resumed")
@crossing(LORA, injection=Injection)
def test_resumed_lora(runs, profile, scenario, folder):
    """Broken off after any checkpoint and resumed as documented, it ends as uninterrupted."""
    broken_off_and_resumed(runs, profile, example("lora", scenario, folder), folder)


@clause("recipes.resumed")
@crossing(QLORA, injection=Injection)
def test_resumed_qlora(runs, profile, scenario, folder):
    """The same of the QLoRA example, saving after every step so that it can be broken off."""
    recipe = example("qlora", scenario, folder).but(*EVERY_STEP)
    broken_off_and_resumed(runs, profile, recipe, folder)
