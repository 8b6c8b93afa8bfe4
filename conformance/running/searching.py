"""Trainings that share one Trainer, as the trials of a hyperparameter search do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from conformance import compat
from conformance.scenarios import Scenario

from . import build, data
from .failures import training_failed
from .looking import logits, tensors
from .observation import State, Step, Tensors
from .recorder import Recorder, event_trace, watch
from .trainers import trainer_keywords


@dataclass(frozen=True, slots=True)
class Training:
    """One training of several: what it was told, what it began with, what it did.

    ``arguments`` are the training arguments as they stood when it began, ``base`` the frozen
    parameters then.
    """

    recorder: Recorder
    arguments: dict[str, Any]
    base: Tensors
    log_history: list[dict[str, Any]]

    @property
    def start(self) -> State:
        """The adapter, optimizer and schedule as it began."""
        if self.recorder.start is None:
            raise AssertionError("a training that never began is none")
        return self.recorder.start

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps taken."""
        return tuple(self.recorder.steps)

    @property
    def last(self) -> Tensors:
        """The adapter after the last step."""
        return self.steps[-1].after.adapter

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The log entries of evaluations."""
        return [entry for entry in self.log_history if "eval_loss" in entry]


class Relay(TrainerCallback):  # type: ignore[misc]
    """Gives every training that begins a recorder of its own, and passes on to it what is seen."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.trainings: list[Training] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """A training begins, with the model that ``model_init`` made for it."""
        model, probe = seen["model"], data.probe(self.scenario)
        recorder = Recorder(model, lambda _: False, lambda: logits(model, probe))
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        base = {n: t for n, t in tensors(model).items() if n in frozen}
        self.trainings.append(Training(recorder, args.to_dict(), base, state.log_history))
        recorder.on_train_begin(args, state, control, **seen)

    def on_step_end(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """An optimizer step of the current training is done."""
        self.current.on_step_end(args, state, control, **seen)

    def micro_batch(
        self, inputs: dict[str, torch.Tensor], loss: torch.Tensor, rng: str, last: bool
    ) -> None:
        """A micro-batch of the current training is done."""
        self.current.micro_batch(inputs, loss, rng, last)

    def event(self, name: str, state: Any) -> None:
        """Any event of the current training."""
        if self.trainings:
            self.current.event(name, state)

    @property
    def current(self) -> Recorder:
        """The recorder of the training that began last."""
        return self.trainings[-1].recorder


class Studio:
    """A Trainer with a ``model_init`` that makes a fresh base and adapter, and what it trained.

    The adapter's first weights are drawn from torch's global generator, as a user's ``model_init``
    draws them. ``arguments`` replace or complete those that the scenario becomes.
    """

    def __init__(
        self, scenario: Scenario, trainer_class: type, folder: Path, **arguments: Any
    ) -> None:
        compat.reset_accelerate()
        self.scenario = scenario
        self.relay = Relay(scenario)
        self.trials: list[Any] = []
        self.trainer = watch(trainer_class, self.relay)(
            model_init=self._model,
            args=build.arguments(scenario, folder, trainer_class, **arguments),
            **trainer_keywords(trainer_class, scenario, data.evaluation_examples(scenario)),
            callbacks=[event_trace(self.relay), self.relay],
        )

    @property
    def trainings(self) -> list[Training]:
        """What was trained so far."""
        return self.relay.trainings

    def train(self, **named: Any) -> Training:
        """One training by `Trainer.train`, which gets ``named``.

        Raises `TrainingFailed` when the libraries raised.
        """
        with training_failed(self.scenario):
            self.trainer.train(**named)
        return self.trainings[-1]

    def search(self, space: Any, trials: int = 1, **named: Any) -> Any:
        """The best run of a search with Optuna; each trial is given to ``space`` and kept.

        Without a sampler in ``named`` it is a random one, seeded. Raises `TrainingFailed` when the
        libraries raised.
        """
        optuna = compat.optuna()
        named.setdefault("sampler", optuna.samplers.RandomSampler(seed=5))

        def kept(trial: Any) -> Any:
            self.trials.append(trial)
            return space(trial)

        with training_failed(self.scenario):
            return self.trainer.hyperparameter_search(
                hp_space=kept, n_trials=trials, backend="optuna", **named
            )

    def search_grid(self, trials: int, grid: Mapping[str, Sequence[Any]], **named: Any) -> Any:
        """The best run of a search over every combination of these values."""
        sampler = compat.optuna().samplers.GridSampler(dict(grid), seed=5)

        def space(trial: Any) -> dict[str, Any]:
            return {name: trial.suggest_categorical(name, list(v)) for name, v in grid.items()}

        return self.search(space, trials, sampler=sampler, **named)

    def _model(self) -> Any:
        seed = int(torch.randint(2**31, ()))
        return build.inject(self.scenario, build.base_model(self.scenario), seed)
