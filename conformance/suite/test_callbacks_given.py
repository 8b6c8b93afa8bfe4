"""Chapter callbacks: how a Trainer comes by its callbacks."""

from collections import Counter

from transformers import TrainerCallback

from conformance.judging import equal
from conformance.marks import clause, native_in_full
from conformance.running import build
from conformance.scenarios import Scenario

HEARD = Counter()  # ends of steps, by the class of the callback


class Counting(TrainerCallback):
    """Counts the ends of steps that any of its kind heard of."""

    def on_step_end(self, args, state, control, **seen):
        """One more."""
        HEARD[type(self)] += 1


class Removed(Counting):
    """One that is taken away again."""


class Popped(Counting):
    """One that is taken away, and kept."""


class Late(Counting):
    """One that is added by its class."""


@clause("callbacks.added")
@native_in_full(Scenario(max_steps=2))
def test_added_and_removed(trainer_class, scenario, folder):
    """Callbacks that are added hear of the training; those removed do not; both go by the class."""
    HEARD.clear()
    trainer = trainer_class(
        model=build.inject(scenario, build.base_model(scenario), seed=1),
        args=build.arguments(scenario, folder, trainer_class),
        **build.trainer_keywords(trainer_class, scenario),
        callbacks=[Removed, Popped()],
    )
    trainer.add_callback(Counting())
    trainer.add_callback(Late)
    trainer.remove_callback(Removed)
    equal("what was popped", type(trainer.pop_callback(Popped)), Popped)
    equal("what is not there", trainer.pop_callback(Popped), None)
    trainer.train()
    equal("steps heard of", HEARD, {Counting: scenario.steps, Late: scenario.steps})
