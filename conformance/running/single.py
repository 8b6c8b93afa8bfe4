"""One scenario in this process: build, inject, train, look, and give back an `Observation`."""

import contextlib
import logging
import random
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch

from conformance import compat
from conformance.scenarios import Scenario

from . import build, data, losses
from .observation import Failure, Observation, Parameter, Tensors
from .recorder import Interrupted, Recorder, checkpoints, event_trace, trainable_tensors, watch

ADAPTER_SEED = 101
OTHER_SEED = 202


class Run:
    """One training. Fields fill as phases pass, so that a failure keeps what was seen before it.

    ``adapter_seed`` draws the adapter's first weights and ``noise`` the state that the global
    generators are in before anything is built: a resumed run takes others than the run it
    continues, so that whatever is not restored shows.
    """

    def __init__(
        self,
        scenario: Scenario,
        output_dir: Path,
        trainer_class: type,
        *,
        adapter_seed: int = ADAPTER_SEED,
        noise: int = 1,
        interrupt_at: int = 0,
        extra_arguments: Mapping[str, Any] | None = None,
        callbacks: tuple[Any, ...] = (),
    ) -> None:
        self.scenario = scenario
        self.output_dir = output_dir
        self.trainer_class = trainer_class
        self.adapter_seed = adapter_seed
        self.noise = noise
        self.interrupt_at = interrupt_at
        self.extra_arguments = dict(extra_arguments or {})
        self.callbacks = callbacks
        self.phase = "build"
        self.seen: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}
        self.heard: list[str] = []
        self.model: Any = None
        self.trainer: Any = None
        self.base_names: Mapping[str, str] = {}
        self.recorder: Recorder | None = None

    def __call__(self, resume_from: str | bool | None = None) -> Observation:
        """Train (resuming from ``resume_from``) and observe; library errors become failures."""
        compat.reset_accelerate()
        _scramble(self.noise)
        with self._listening():
            try:
                self._build()
                self._train(resume_from)
                self._look()
            except Interrupted:
                pass
            except compat.Unavailable:
                raise
            except Exception as error:
                self.seen["failure"] = Failure(
                    self.phase, type(error).__name__, str(error), traceback.format_exc(limit=-6)
                )
        return self._observation()

    # ---- phases ----------------------------------------------------------------------------

    def _build(self) -> None:
        with self._timed("build"):
            base = build.base_model(self.scenario)
            self.seen["base_before"] = tensors(base)
            self.probe = data.probe(self.scenario)
            self.seen["base_logits"] = logits(base, self.probe)
            own = identities(base)
        with self._timed("inject"):
            self.model = build.inject(self.scenario, base, self.adapter_seed)
            self.base_names = _names_in_base(self.model, own)
            self.seen["parameters_before"] = parameters(self.model)
            self.seen["adapters_before"] = self._adapter_tensors()
        with self._timed("arguments"):
            arguments = build.arguments(self.scenario, self.output_dir, **self.extra_arguments)
        with self._timed("construct"):
            self._construct(arguments)

    def _construct(self, arguments: Any) -> None:
        scenario = self.scenario
        self.recorder = Recorder(
            self.model, self._is_frozen, lambda: logits(self.model, self.probe), self.interrupt_at
        )
        evaluated = scenario.evaluate != "no"
        loss = losses.loss_function(scenario)
        self.trainer = watch(self.trainer_class, self.recorder)(
            model=self.model,
            args=arguments,
            data_collator=data.Collator(scenario.family.task),
            train_dataset=data.training_examples(scenario),
            eval_dataset=data.evaluation_examples(scenario) if evaluated else None,
            **(compat.custom_loss(loss) if loss else {}),
            callbacks=[event_trace(self.recorder), self.recorder, *self.callbacks],
        )

    def _train(self, resume_from: str | bool | None) -> None:
        with self._timed("train"):
            # `train()` is called as a user would: with no argument where nothing is resumed.
            given = {} if resume_from is None else {"resume_from_checkpoint": resume_from}
            try:
                self.seen["output"] = self.trainer.train(**given)
            finally:
                self.seen |= self._left_behind()

    def _left_behind(self) -> dict[str, Any]:
        """The model as `train` left it, before anything else touches it."""
        return {
            "base_after": self._base_after(),
            "parameters_after": parameters(self.model),
            "adapters_after": self._adapter_tensors(),
        }

    def _look(self) -> None:
        with self._timed("look"):
            self.seen["logits"] = logits(self.model, self.probe)
            if self.scenario.save != "no":
                self.phase = "final-save"
                self.trainer.save_model(str(self.output_dir / "final"))
            self.phase = "disable"
            self.seen["disabled_logits"] = self._disabled_logits()

    def _disabled_logits(self) -> torch.Tensor:
        """Logits with the adapter disabled; comes last, since enabling again is not relied on."""
        if not self.scenario.native:
            with self.model.disable_adapter():
                return logits(self.model, self.probe)
        self.model.disable_adapters()
        return logits(self.model, self.probe)

    # ---- what was seen ---------------------------------------------------------------------

    def _observation(self) -> Observation:
        recorder, state = self.recorder, getattr(self.trainer, "state", None)
        if recorder is not None:
            self.seen |= {
                "groups": recorder.groups,
                "start": recorder.start,
                "steps": tuple(recorder.steps),
                "events": tuple(recorder.events),
                "saves": tuple(recorder.saves),
            }
        if state is not None:
            self.seen |= {
                "log_history": tuple(dict(entry) for entry in state.log_history),
                "best_checkpoint": state.best_model_checkpoint,
                "best_metric": state.best_metric,
            }
        return Observation(
            scenario=self.scenario,
            output_dir=self.output_dir,
            checkpoints=checkpoints(self.output_dir),
            warnings=tuple(self.heard),
            model_class=type(self.model).__name__,
            seconds=self.seconds,
            **self.seen,
        )

    def _is_frozen(self, name: str) -> bool:
        base = self.base_names.get(name)
        trains = self.scenario.recipe.trains_base
        return base is not None and not trains(self.scenario.family, base)

    def _base_after(self) -> Tensors:
        named = tensors(self.model).items()
        return {self.base_names[name]: t for name, t in named if name in self.base_names}

    def _adapter_tensors(self) -> Tensors:
        return {n: t for n, t in tensors(self.model).items() if n not in self.base_names}

    # ---- surroundings ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        self.phase = phase
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = time.perf_counter() - began

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Collect Python's warnings and the libraries' logged ones, each with its phase."""
        handler = _Listener(lambda text: self.heard.append(f"{self.phase}: {text}"))
        loggers = [logging.getLogger(name) for name in ("transformers", "accelerate", "peft")]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for logger in loggers:
                logger.addHandler(handler)
            try:
                yield
            finally:
                for logger in loggers:
                    logger.removeHandler(handler)
        self.heard.extend(f"{entry.category.__name__}: {entry.message}" for entry in caught)


class _Listener(logging.Handler):
    def __init__(self, hear: Any) -> None:
        super().__init__(logging.WARNING)
        self.hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self.hear(record.getMessage())


def tensors(model: torch.nn.Module) -> Tensors:
    """Copies of all parameters and buffers, tied ones once."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in named}


def identities(base: torch.nn.Module) -> dict[int, str]:
    """The base's names of its tensors, by the objects that hold them."""
    return {id(t): name for name, t in (*base.named_parameters(), *base.named_buffers())}


def _names_in_base(model: torch.nn.Module, own: Mapping[int, str]) -> dict[str, str]:
    """The adapted model's names of the base's tensors to those the base had for them.

    Methods wrap modules under names of their own; the tensors stay the objects they were, or at
    least at the place that peft's documented wrappers give them.
    """
    known = set(own.values())
    found = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        base = own.get(id(tensor)) or build.base_name(name)
        if base in known:
            found[name] = base
    return found


def parameters(model: torch.nn.Module) -> dict[str, Parameter]:
    """What training may not change of each parameter besides its values."""
    return {
        name: Parameter(p.requires_grad, str(p.dtype), tuple(p.shape), str(p.device))
        for name, p in model.named_parameters()
    }


def logits(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the model gives for the labels of ``batch``, logits for most tasks, in evaluation mode.

    Modes, generators and flags are left as they were. Nothing asks for gradients meanwhile: a
    matrix that does is multiplied in another order of summation, under `no_grad` as well.
    """
    modes = {module: module.training for module in model.modules()}
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return losses.answers(model(**batch)).detach().clone()
    finally:
        for module, training in modes.items():
            module.training = training
        for parameter in asking:
            parameter.requires_grad_(True)


def _scramble(noise: int) -> None:
    random.seed(noise)
    numpy.random.seed(noise)
    torch.manual_seed(noise)


__all__ = ["ADAPTER_SEED", "OTHER_SEED", "Run", "logits", "trainable_tensors"]
