"""Chapter resume: what a checkpoint brings back, one by one, and which one is taken."""

from conformance import compat
from conformance.checks.resume import same_batches
from conformance.judging import changed, equal, identical, paired, require, same
from conformance.marks import clause, crossing
from conformance.scenarios import Injection, Scenario, core_families

BOTH = tuple(Injection)
CAUSAL = ("llama", "gpt2")


EACH = Scenario(save="steps", dropout=0.1, accumulation=2, epochs=2.0)


@clause("resume.restores-each")
@crossing(EACH, architecture=core_families(), injection=BOTH)
def test_restores_adapter(runs, scenario):
    """The adapter is the checkpoint's before the first step, not the one that was passed in."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    identical("the adapter as resumed", resumed.start.adapter, full.steps[1].after.adapter)
    moving = {n: t for n, t in resumed.start.adapter.items() if "lora_A" in n}
    changed("loading the checkpoint", moving, resumed.adapters_before)


@clause("resume.restores-each")
@crossing(Scenario(adapter="p-tuning", save="steps"), architecture=CAUSAL)
def test_restores_p_tuning(runs, scenario):
    """The prompt encoder of P-tuning is the checkpoint's, not the one that was passed in."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    identical("the adapter as resumed", resumed.start.adapter, full.steps[1].after.adapter)


@clause("resume.restores-each")
@crossing(EACH, architecture=core_families(), injection=BOTH)
def test_restores_optimizer(runs, scenario):
    """The optimizer's moments and step counts are the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    same("the optimizer as resumed", resumed.start.optimizer, full.steps[1].after.optimizer)
    require(bool(resumed.start.optimizer), "optimizer state", "none", "some")


@clause("resume.restores-each")
@crossing(EACH, architecture=core_families(), injection=BOTH)
def test_restores_schedule(runs, scenario):
    """The scheduler's state and the next learning rate are the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    same("the scheduler as resumed", resumed.start.scheduler, full.steps[1].after.scheduler)
    equal("the next rates", resumed.first.learning_rates, full.steps[2].learning_rates)


@clause("resume.restores-each")
@crossing(EACH, architecture=core_families(), injection=BOTH)
def test_restores_random_numbers(runs, scenario):
    """Torch's generator is in the same state at every micro-batch."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    expected = [micro.rng for step in full.steps[2:] for micro in step.micro_batches]
    got = [micro.rng for step in resumed.steps for micro in step.micro_batches]
    equal("states of torch's generator", got, expected)
    require(len(set(got)) > 1, "the generator", "was never drawn from", "dropout draws")


@clause("resume.restores-each")
@crossing(EACH, architecture=core_families(), injection=BOTH)
def test_restores_data_position(runs, scenario):
    """The first batch after a resume is the one after the checkpoint's last; none comes twice."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    for expected, got in paired("steps", full.steps[2:], resumed.steps):
        same_batches(f"step {expected.number}", expected, got)


@clause("resume.restores-each")
@crossing(EACH, architecture=core_families(), injection=BOTH)
def test_restores_loghistory(runs, scenario):
    """The log history begins with the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    held = full.saved(2).log_history
    require(len(held) == 2, "entries in the checkpoint", len(held), 2)
    same("the first entries", list(resumed.log_history[: len(held)]), list(held))


@clause("resume.restores-each")
@crossing(Scenario(save="steps"), injection=BOTH)
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
@crossing(Scenario(save="steps"), injection=BOTH, architecture=core_families())
def test_path(runs, scenario):
    """A path resumes from that checkpoint, though later ones lie beside it."""
    full = runs.train(scenario)
    for step in (1, 3):
        resumed = runs.resume(scenario, step)
        equal("the first step taken", resumed.first.number, step + 1)
        identical("the adapter", resumed.start.adapter, full.steps[step - 1].after.adapter)


@clause("resume.true-takes-latest")
@crossing(Scenario(save="steps", epochs=2.4), injection=BOTH)
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
@crossing(Scenario(save="steps"), injection=BOTH)
def test_none_and_false(runs, scenario):
    """`None` and `False` start afresh, whatever lies in the folder."""
    fresh = runs.train(scenario)
    for nothing in (None, False):
        folder = runs.interrupt(scenario.but(seed=8), 3)
        again = runs.resume_from(scenario, nothing, folder, adapter_seed=101).trained()
        equal(f"{nothing}: steps", [s.number for s in again.steps], [s.number for s in fresh.steps])
        identical(f"{nothing}: the adapter", again.adapters_after, fresh.adapters_after)
