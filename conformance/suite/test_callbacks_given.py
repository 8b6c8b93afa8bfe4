"""Chapter callbacks: how a Trainer comes by its callbacks."""

from collections import Counter

import torch
from transformers import TrainerCallback

from conformance.judging import equal
from conformance.marks import clause, native_in_full
from conformance.running import trainers
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


class Loaders(TrainerCallback):
    """How many examples the loaders have that it is handed while one evaluates, by event."""

    def __init__(self):
        self.seen = {}

    def on_prediction_step(self, args, state, control, eval_dataloader=None, **handed):
        """Before a batch is gathered."""
        self.seen["step"] = len(eval_dataloader.dataset)

    def on_evaluate(self, args, state, control, eval_dataloader=None, **handed):
        """After all have been."""
        self.seen["evaluate"] = len(eval_dataloader.dataset)


@clause("callbacks.seen")
@native_in_full(Scenario())
def test_sees_the_data_evaluated_on(trainer_class, scenario, folder):
    """What evaluates hands over its own data, the last call's and not those of one before."""
    loaders = Loaders()
    trainer = trainers.trainer(trainer_class, scenario, folder, callbacks=[loaders])
    rows = trainer.train_dataset
    trainer.eval_dataset = torch.utils.data.Subset(rows, range(3))
    trainer.evaluate()
    equal("examples, by event", loaders.seen, {"step": 3, "evaluate": 3})
    trainer.predict(torch.utils.data.Subset(rows, range(2)))
    equal("examples, by event", loaders.seen, {"step": 2, "evaluate": 3})
    trainer.evaluate(torch.utils.data.Subset(rows, range(1)))
    equal("examples, by event", loaders.seen, {"step": 1, "evaluate": 1})


@clause("callbacks.added")
@native_in_full(Scenario(max_steps=2))
def test_added_and_removed(trainer_class, scenario, folder):
    """Callbacks that are added hear of the training; those removed do not; both go by the class."""
    HEARD.clear()
    trainer = trainers.trainer(trainer_class, scenario, folder, callbacks=[Removed, Popped()])
    trainer.add_callback(Counting())
    trainer.add_callback(Late)
    trainer.remove_callback(Removed)
    equal("what was popped", type(trainer.pop_callback(Popped)), Popped)
    equal("what is not there", trainer.pop_callback(Popped), None)
    trainer.train()
    equal("steps heard of", HEARD, {Counting: scenario.steps, Late: scenario.steps})
