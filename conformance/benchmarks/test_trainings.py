"""Trainings per second, and what observing one costs over the bare `Trainer`.

Run with ``nox -s bench``; compare the two medians of one run, never those of two machines.
"""

import gc
from pathlib import Path

import pytest

from conformance import compat, subjects
from conformance.running import build, data
from conformance.running.single import Run
from conformance.scenarios import Scenario

SCENARIO = Scenario(examples=12)


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    subjects.prepare()
    gc.collect()
    gc.freeze()


@pytest.mark.benchmark(group="one training")
def test_bare(benchmark, tmp_path: Path) -> None:
    """What a user writes: build, inject, train; nothing watches."""
    trainer_class = subjects.trainer_class("transformers:Trainer")

    def train() -> int:
        compat.reset_accelerate()
        model = build.inject(SCENARIO, build.base_model(SCENARIO), seed=1)
        trainer = trainer_class(
            model=model,
            args=build.arguments(SCENARIO, tmp_path),
            data_collator=data.Collator(SCENARIO.family.task),
            train_dataset=data.training_examples(SCENARIO),
        )
        return int(trainer.train().global_step)

    assert benchmark(train) == SCENARIO.steps


@pytest.mark.benchmark(group="one training")
def test_observed(benchmark, tmp_path: Path) -> None:
    """The same training as the suite does it, everything seen."""
    trainer_class = subjects.trainer_class("transformers:Trainer")
    observation = benchmark(lambda: Run(SCENARIO, tmp_path, trainer_class)(None))
    assert len(observation.steps) == SCENARIO.steps
