"""Chapter distributed: clipping and evaluation in several processes, and resumes across them."""

from conformance import oracle
from conformance.judging import close, close_tensors, equal, identical, norm, paired, require
from conformance.marks import clause, crossing, scenarios
from conformance.running.data import EVALUATION_BATCH
from conformance.scenarios import Injection, Scenario

BOTH = tuple(Injection)
LAUNCHES = ("ddp", "fsdp2", "fsdp1", "zero0", "zero1", "zero2", "zero3")
ACCUMULATED = (1, 3)
# The same trainings as `test_equals_single` judges.
CLIPPED = Scenario(
    launch="ddp",
    examples=12,
    optimizer="sgd",
    learning_rate=0.1,
    max_grad_norm=0.05,
    drop_last=True,
    evaluate="steps",
)
# Adam has moments to lose; every step is saved.
SAVED = Scenario(launch="ddp", examples=12, epochs=2.0, save="steps")


@clause("distributed.clipping")
@crossing(CLIPPED, launch=LAUNCHES, injection=BOTH, accumulation=ACCUMULATED)
def test_clipping(runs, scenario):
    """Clipped gradients and the norm that is logged are those of one process with the whole batch.

    Tolerances of `conformance.oracle`: the norm and the clipped gradients are as far off as the
    gradients are.
    """
    several, single = runs.train(scenario), runs.train(scenario.alone)
    for seen in several.ranks:
        for got, expected in paired("steps", seen.steps, single.steps):
            where = f"of step {expected.number}"
            before = norm(got.gradients)
            require(before > scenario.max_grad_norm, f"the norm {where}", before, "one to clip")
            close_tensors(f"clipped {where}", got.clipped, expected.clipped, oracle.GRADIENT)
        for got, expected in paired("logs", seen.logs, single.logs):
            require("grad_norm" in got, "grad_norm in the log", sorted(got), "there")
            close("grad_norm", got["grad_norm"], expected["grad_norm"], oracle.GRADIENT)


@clause("distributed.evaluation")
@crossing(CLIPPED, launch=LAUNCHES, injection=BOTH, accumulation=ACCUMULATED)
def test_evaluation(runs, scenario):
    """Every rank reports the `eval_loss` of one process at w times the batch size, where batches
    are all full.
    """
    _evaluated_alike(runs, scenario)


@clause("distributed.evaluation")
@crossing(CLIPPED.but(drop_last=False, max_steps=2), launch=("ddp", "zero2"), injection=BOTH)
def test_evaluation_last_batch(runs, scenario):
    """The same where the last batch is shorter than the others."""
    _evaluated_alike(runs, scenario)


def _evaluated_alike(runs, scenario):
    """Tolerance: that of the loss in `conformance.oracle`, for adapters as far apart as there."""
    wide = {"per_device_eval_batch_size": EVALUATION_BATCH * scenario.processes}
    several, single = runs.train(scenario), runs.again(scenario.alone, extra_arguments=wide)
    require(bool(single.evaluations), "evaluations", 0, "some")
    for seen in several.ranks:
        for got, expected in paired("evaluations", seen.evaluations, single.evaluations):
            where = f"eval_loss at step {expected['step']}"
            close(where, got["eval_loss"], expected["eval_loss"], oracle.LOSS)


@clause("distributed.resume-across")
@crossing(SAVED, launch=("", "fsdp2", "zero1", "zero3"))
def test_from_data_parallel(runs, scenario):
    """What two processes wrote under data parallelism."""
    _goes_on_or_is_refused(runs, SAVED, scenario)


@clause("distributed.resume-across")
@crossing(SAVED, launch=("fsdp2", "zero1", "zero3"))
def test_into_data_parallel(runs, scenario):
    """What was written under another wrapper, resumed under data parallelism."""
    _goes_on_or_is_refused(runs, scenario, SAVED)


@clause("distributed.resume-across")
@scenarios(lambda profile: [SAVED.but(ranks=n) for n in (1, 2)][: max(1, profile.strength - 1)])
def test_steps_in_another_world(runs, scenario):
    """Resumed in one process or in two, whichever did not write it, at the same global batch, a
    training takes the steps that follow. Adam hands on what the order of sums makes of gradients.
    """
    both = (SAVED, SAVED.alone)
    wrote, resumes = both if scenario.ranks == 1 else reversed(both)
    full = runs.train(wrote)
    got = runs.resume_from(resumes, str(full.saved(2).folder), runs.folder()).trained()
    identical("the adapter at the start", got.first_state.adapter, full.steps[1].after.adapter)
    identical(
        "the optimizer at the start", _moments(got.first_state), _moments(full.steps[1].after)
    )
    for one, other in paired("steps", got.steps, full.steps[2:]):
        where = f"of step {other.number}"
        equal(f"the number {where}", one.number, other.number)
        equal(f"learning rates {where}", one.learning_rates, other.learning_rates)
        close_tensors(f"gradients {where}", one.gradients, other.gradients, oracle.GRADIENT)
        after = one.after.adapter, other.after.adapter
        close_tensors(f"the adapter {where}", *after, oracle.ADAPTER)


def _goes_on_or_is_refused(runs, wrote, resumes):
    full = runs.train(wrote)
    checkpoint, after = full.saved(2).folder, full.steps[1].after
    whole = {} if resumes.launch else {"batch_size": wrote.batch_size * wrote.processes}
    target = resumes.but(**whole)
    got = runs.resume_from(target, str(checkpoint), runs.folder())
    if got.failure is not None:
        said = got.failure.message
        require(checkpoint.name in said, "the refusal", said, f"to name {checkpoint.name}")
        return
    equal("the first step taken", got.first.number, 3)
    identical("the adapter at the start", got.first_state.adapter, after.adapter)
    identical("the optimizer at the start", _moments(got.first_state), _moments(after))


def _moments(state):
    """The moments that Adam holds for each parameter; ZeRO keeps what else there is elsewhere."""
    kinds = ("exp_avg", "exp_avg_sq")
    return {f"{n}.{k}": s[k] for n, s in state.optimizer.items() for k in kinds if k in s}
