"""Chapter evaluation: batches of an evaluation without a label that counts."""

import math

from conformance.judging import close, equal, require
from conformance.marks import clause, native_in_full
from conformance.running import data, trainers
from conformance.running.tasks import IGNORED
from conformance.scenarios import Scenario

EMPTY = slice(2, 4)  # the second batch
ROUNDED = 1e-6


@clause("evaluation.nan-filter")
@native_in_full(Scenario(varied_lengths=False))
def test_batch_without_labels(trainer_class, scenario, folder):
    """Such a batch is left out of `eval_loss`, or makes it NaN where nothing is to be filtered.

    Tolerance: a mean of few float32 losses, summed in another order at most: some units of 1.2e-7.
    """
    examples = data.evaluation_examples(scenario)
    emptied = [*examples[:2], *[_ignored(one) for one in examples[EMPTY]], *examples[4:]]
    whole = [*examples[:2], *examples[4:]]
    expected, filtered, unfiltered = (
        _evaluated(trainer_class, scenario, folder, evaluated, **told)
        for evaluated, told in (
            (whole, {}),
            (emptied, {}),
            (emptied, {"logging_nan_inf_filter": False}),
        )
    )
    require(math.isfinite(filtered), "eval_loss, filtered", filtered, "a number")
    close("eval_loss, filtered", filtered, expected, ROUNDED)
    equal("whether eval_loss is NaN, unfiltered", math.isnan(unfiltered), True)


def _evaluated(trainer_class, scenario, folder, examples, **arguments):
    trainer = trainers.trainer(
        trainer_class, scenario, folder, evaluated=examples, extra_arguments=arguments
    )
    return trainer.evaluate()["eval_loss"]


def _ignored(example):
    return {**example, "labels": [IGNORED] * len(example["labels"])}
