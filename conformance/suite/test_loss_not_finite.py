"""Chapter loss: losses that are no numbers, and batches without a label that counts."""

import math

from conformance import subjects
from conformance.checks.trying import ERROR, tried
from conformance.compat import Unavailable
from conformance.judging import changed, empty, equal, identical, note, require
from conformance.marks import clause, crossing_in_full, crossing_only_in_full
from conformance.running import data
from conformance.running.poisoned import poisoned
from conformance.running.tasks import IGNORED
from conformance.scenarios import Injection, Scenario, core_families

BOTH = tuple(Injection)
POISONED = 4  # the step whose loss is no number
FILTERED = {"architecture": ("llama", "bert"), "injection": BOTH, "accumulation": (1, 2)}


@clause("loss.nan-filter-only-logs")
@crossing_in_full(Scenario(epochs=3.0), max_grad_norm=(1.0, 0.0), **FILTERED)
def test_training_goes_on_as_it_was(runs, profile, scenario):
    """A loss whose gradient is finite trains the same, filtered or not."""
    plain = _trained(runs, scenario, at=0)
    changed("training", _moving(plain.adapters_before), plain.adapters_after)
    for value in _values(profile):
        with tried("loss that is no number"):
            _only_logged(runs, scenario, value, plain)


def _only_logged(runs, scenario, value, plain):
    filtered = _trained(runs, scenario, value)
    unfiltered = _trained(runs, scenario, value, filtering=False)
    for one in (filtered, unfiltered):
        identical("the adapter", one.adapters_after, plain.adapters_after)
    empty("losses in the filtered log that are no numbers", _bad_steps(filtered))
    require(POISONED in _bad_steps(unfiltered), "the unfiltered log", unfiltered.logs, value)
    finite = [math.isfinite(seen.output.training_loss) for seen in (filtered, unfiltered)]
    equal("whether training_loss is a number, filtered and not", finite, [True, False])


@clause("loss.not-finite-logged-once")
@crossing_in_full(Scenario(epochs=3.0), logging_steps=(1, 2, 3), **FILTERED)
def test_logged_once(runs, profile, scenario):
    """Without the filter one such loss is no number in the entry of its interval alone."""
    interval = scenario.logging_steps
    for value in _values(profile):
        unfiltered = _trained(runs, scenario, value, filtering=False)
        own = -(-POISONED // interval) * interval
        equal("steps whose logged loss is no number", _bad_steps(unfiltered), [own])


@clause("loss.nan-filter-average")
@crossing_in_full(
    Scenario(epochs=3.0, learning_rate=1e-5),  # losses that only the batches tell apart
    logging_steps=(1, 2),
    architecture=("llama", "bert"),
    injection=BOTH,
)
def test_average_of_valid_losses(runs, profile, scenario):
    """What is logged for it lies between the least and the greatest of the losses before it.

    An average does, and so does an interval's mean in which it stands for one. Tolerance: that of
    the sum of an interval in float32, a rounding a micro-batch.
    """
    for value in _values(profile):
        filtered = _trained(runs, scenario, value)
        before = [step.loss for step in filtered.steps if math.isfinite(step.loss)]
        entries = [entry for entry in filtered.logs if entry["step"] >= POISONED]
        near = 1e-5 * max(before)
        logged, where = entries[0]["loss"], f"the loss logged at step {entries[0]['step']}"
        note(logged=logged, least=min(before), greatest=max(before))
        require(logged >= min(before) - near, f"{where} is too low", logged, min(before))
        require(logged <= max(before) + near, f"{where} is too high", logged, max(before))


@clause("loss.batch-without-labels")
@crossing_in_full(
    Scenario(max_grad_norm=0.0),
    architecture=core_families(),
    injection=BOTH,
    accumulation=(1, 2),
    label_smoothing=(0.0, 0.1),
)
def test_no_label_counts(runs, trainer_class, scenario):
    """Where every label is -100, the training raises, or the adapter stays as it was, finite."""
    if len(scenario.task.labels) > 1 or not scenario.task.of_its_own:
        raise Unavailable("the labels of this task are no classes of which one may be ignored")
    (name,) = scenario.task.labels
    rows = [{**row, name: _ignored(row[name])} for row in data.training_examples(scenario)]
    _unmoved(runs, trainer_class, scenario, rows)


@clause("loss.batch-without-labels")
@crossing_only_in_full(Scenario(max_grad_norm=0.0), injection=BOTH, label_smoothing=(0.0, 0.1))
def test_sequences_of_one_token(runs, trainer_class, scenario):
    """The same where no token has one after it to be predicted."""
    rows = [
        {name: value[:1] for name, value in row.items()} for row in data.training_examples(scenario)
    ]
    _unmoved(runs, trainer_class, scenario, rows)


def _unmoved(runs, trainer_class, scenario, rows):
    handed = {"train_dataset": subjects.of(trainer_class).dataset(rows)}
    with tried("batch without labels") as got:
        seen = runs.resume_from(scenario, None, runs.folder(), trainer_options=handed)
        note(raised=seen.failure.type if seen.failure else "")
        if seen.failure is not None:
            equal("steps taken before the error", len(seen.steps), 0)
            got(ERROR)
            return
        equal("steps", len(seen.steps), scenario.steps)
        note(loss=str(seen.steps[0].loss))
        identical("the adapter", seen.adapters_after, seen.adapters_before)


def _trained(runs, scenario, value=math.nan, *, at=POISONED, filtering=True):
    micro_batch = (at - 1) * scenario.accumulation + 1 if at else 0
    return runs.again(
        scenario,
        trainer_options=poisoned(scenario, micro_batch, value),
        extra_arguments={} if filtering else {"logging_nan_inf_filter": False},
    )


def _values(profile):
    return (math.nan, math.inf, -math.inf)[: profile.strength]


def _bad_steps(observation):
    return [entry["step"] for entry in observation.logs if not math.isfinite(entry["loss"])]


def _moving(adapters):
    return {name: tensor for name, tensor in adapters.items() if "lora_B" in name}


def _ignored(labels):
    return [IGNORED] * len(labels) if isinstance(labels, list) else IGNORED
