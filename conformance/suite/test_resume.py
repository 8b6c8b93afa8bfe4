"""Chapter resume: going on from a checkpoint as if nothing had happened."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.checks.resume import continues, history, points
from conformance.judging import close, equal, identical, same
from conformance.marks import clause, crossing, frugal_sweep, listed, scenarios
from conformance.running.schedules import learning_rate
from conformance.scenarios import Injection, Scenario, core_families
from conformance.scenarios.strategies import resumable

BOTH = tuple(Injection)
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


# ---- equals the uninterrupted training ------------------------------------------------------


@clause("resume.equals-uninterrupted")
@frugal_sweep()
def test_sweep(runs, profile, scenario):
    """Resumed inside an epoch and on its edge, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    for step in points(full, profile):
        continues(full, runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@scenarios(EVERY_STEP)
def test_every_step(runs, scenario):
    """The same from each checkpoint there is."""
    full = runs.train(scenario)
    for save in full.saves[:-1]:
        continues(full, runs.resume(scenario, save.step))


@clause("resume.equals-uninterrupted")
@listed(SPECIAL)
def test_special(runs, profile, scenario):
    """The same with data loader workers, limits, evaluations, sampling by length."""
    unlimited = scenario.but(save_total_limit=0)
    full = runs.train(unlimited)
    for step in points(full, profile):
        continues(full, runs.resume(unlimited, step))


@clause("resume.equals-uninterrupted")
@listed([scenario for scenario in SPECIAL if scenario.save_steps == 1])
def test_in_the_same_folder(runs, scenario):
    """Broken off, and restarted in its own folder with `True`: the same end, the same folder."""
    full = runs.train(scenario)
    resumed = runs.continue_(scenario, full.saves[len(full.saves) // 2].step)
    continues(full, resumed)
    equal("checkpoints at the end", resumed.checkpoints, full.checkpoints)


@clause("resume.equals-uninterrupted")
@given(scenario=resumable(), draw=st.data())
def test_generated(runs, tolerating, scenario, draw):
    """The same for any training and any step."""
    step = draw.draw(st.integers(1, scenario.steps - 1), label="resumed after step")
    with tolerating(scenario):
        continues(runs.train(scenario), runs.resume(scenario, step))


@clause("resume.equals-uninterrupted")
@scenarios([Scenario(save="steps", logging_steps=3, epochs=2.0)])
def test_logged_loss_across_the_checkpoint(runs, scenario):
    """A logging interval that the checkpoint falls into is logged as in the uninterrupted run."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 4)
    same("log history", history(resumed.log_history), history(full.log_history))


@clause("resume.equals-uninterrupted")
@crossing(Scenario(save="steps", accumulation=2, dropout=0.1), architecture=core_families())
def test_in_a_fresh_process(runs, scenario, folder):
    """A process that was started for it resumes to exactly the same adapter."""
    full = runs.train(scenario)
    resumed = runs.alone(scenario, folder, str(full.saved(2).folder))
    identical("the adapter", resumed.adapters_after, full.adapters_after)
    equal("the first step taken", resumed.first.number, 3)


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
        continues(long, resumed)


@clause("resume.longer-schedule")
@crossing(Scenario(save="steps", epochs=2.0), injection=BOTH, schedule=("linear", "cosine"))
def test_fewer_steps(runs, scenario, folder):
    """Resumed with fewer steps it ends there, at the rates of the schedule over those."""
    shorter = scenario.but(max_steps=4)
    checkpoint = str(runs.train(scenario).saved(2).folder)
    resumed = runs.resume_from(shorter, checkpoint, folder).trained()
    equal("steps taken", [step.number for step in resumed.steps], [3, 4])
    equal("global_step", resumed.output.global_step, 4)
    equal("the last checkpoint", resumed.saves[-1].step, 4)
    rate = learning_rate(shorter, 3)
    close("rate of step 4", resumed.steps[1].learning_rates[0], rate, 1e-15)


@clause("resume.longer-schedule")
@crossing(Scenario(save="steps"), schedule=("linear", "cosine"))
def test_more_steps(runs, scenario, folder):
    """From the second step on the rates are those of the named schedule over the new length.

    The first one's was decided, and saved, by the shorter schedule. Tolerance: one rounding.
    """
    longer = scenario.but(max_steps=9)
    checkpoint = str(runs.train(scenario).saved(4).folder)
    resumed = runs.resume_from(longer, checkpoint, folder).trained()
    equal("steps taken", [step.number for step in resumed.steps], [5, 6, 7, 8, 9])
    for step in resumed.steps[1:]:
        expected = learning_rate(longer, step.number - 1)
        close(f"rate of step {step.number}", step.learning_rates[0], expected, 1e-15)
