"""One scenario in this process: build, inject, train, look, and give back an `Observation`."""

import contextlib
import logging
import random
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch

from conformance import compat
from conformance.scenarios import Scenario

from . import build, data, losses, quantization_state
from .failures import failure
from .launch.wrappers import OtherLaunch, trained, wrapper
from .launch.zero import strict_loads
from .looking import configs, identities, logits, names_in_base, parameters, tensors
from .observation import Observation, Tensors
from .recorder import Interrupted, Recorder, checkpoints, event_trace, watch
from .trainers import trainer_keywords

ADAPTER_SEED = 101
OTHER_SEED = 202


class Run:
    """One training. Fields fill as phases pass, so that a failure keeps what was seen before it.

    ``adapter_seed`` draws the adapter's first weights and ``noise`` the state that the global
    generators are in before anything is built: a resumed run takes others than the run it
    continues, so that whatever is not restored shows. ``extra_arguments`` go to the
    `TrainingArguments`, ``callbacks`` and ``trainer_options`` to the Trainer, the latter instead of
    what the scenario says.
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
        trainer_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.scenario = scenario
        self.output_dir = output_dir
        self.trainer_class = trainer_class
        self.adapter_seed = adapter_seed
        self.noise = noise
        self.interrupt_at = interrupt_at
        self.extra_arguments = dict(extra_arguments or {})
        self.trainer_options = dict(trainer_options or {})
        self.callbacks = callbacks
        self.collator = data.collator(scenario)
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
            except (compat.Unavailable, OtherLaunch):
                raise
            except Exception as error:
                self.seen["failure"] = failure(self.phase, error)
        return self._observation()

    # ---- phases ----------------------------------------------------------------------------

    def _build(self) -> None:
        with self._timed("build"):
            base = build.base_model(self.scenario)
            self.seen["base_before"] = tensors(base)
            self.seen["settings_before"] = quantization_state.settings(base)
            self.probe = data.probe(self.scenario)
            self.seen["base_logits"] = logits(base, data.for_the_base(self.probe))
            own = identities(base)
        with self._timed("inject"):
            self.model = build.inject(self.scenario, base, self.adapter_seed)
            self.base_names = names_in_base(self.model, own)
            self.seen["parameters_before"] = parameters(self.model)
            self.seen["configs_before"] = configs(self.model)
            self.seen["adapters_before"] = self._adapter_tensors()
        with self._timed("arguments"):
            arguments = build.arguments(
                self.scenario, self.output_dir, self.trainer_class, **self.extra_arguments
            )
        with self._timed("construct"):
            self._construct(arguments)

    def _construct(self, arguments: Any) -> None:
        scenario = self.scenario
        self.recorder = Recorder(
            self.model,
            self._is_frozen,
            lambda: logits(self._live(), self.probe),
            self.interrupt_at,
            launched=bool(scenario.launch),
        )
        evaluated = scenario.evaluate != "no"
        loss, evaluation = losses.loss_function(scenario), data.evaluation_examples(scenario)
        handed = trainer_keywords(self.trainer_class, scenario, evaluation if evaluated else None)
        self.trainer = watch(self.trainer_class, self.recorder)(
            model=self.model,
            args=arguments,
            callbacks=[event_trace(self.recorder), self.recorder, *self._callbacks()],
            **{
                **handed,
                "data_collator": self.collator,
                **(compat.custom_loss(loss) if loss else {}),
                **self.trainer_options,
            },
        )
        self.recorder.trainer = self.trainer

    def _callbacks(self) -> tuple[Any, ...]:
        """The callbacks asked for, and what the adapter's method documents its users to add."""
        return (
            *self.callbacks,
            *((compat.allocating_callback(),) if self.scenario.recipe.allocates else ()),
        )

    def _train(self, resume_from: str | bool | None) -> None:
        with self._timed("train"):
            # `train()` is called as a user would: with no argument where nothing is resumed.
            given = {} if resume_from is None else {"resume_from_checkpoint": resume_from}
            try:
                self.seen["output"] = self.trainer.train(**given)
            finally:  # a rank that failed by itself would wait for the others' parts for ever
                if "output" in self.seen or not self.scenario.launch:
                    self.seen |= self._left_behind()
            self.seen["wrapper"] = wrapper(self.scenario, self.trainer)
            self.seen["world_size"] = self.trainer.args.world_size

    def _left_behind(self) -> dict[str, Any]:
        """The model as `train` left it, before anything else touches it."""
        return {
            "base_after": self._base_after(),
            "settings_after": self._settings(),
            "parameters_after": parameters(self._live()),
            "configs_after": configs(self.model),
            "adapters_after": self._adapter_tensors(),
        }

    def _look(self) -> None:
        with self._timed("look"):
            self.seen["logits"] = logits(self._live(), self.probe)
            if self.scenario.save != "no":
                self.phase = "final-save"
                self.trainer.save_model(str(self.output_dir / "final"))
            if self.scenario.quantization:
                self.seen["base_at_end"] = self._base_after()
                self.seen["settings_at_end"] = self._settings()
            self.phase = "disable"
            self.seen["disabled_logits"] = self._disabled_logits()

    def _disabled_logits(self) -> torch.Tensor:
        """Logits with the adapter disabled; comes last, since enabling again is not relied on."""
        if not self.scenario.native:
            with self.model.disable_adapter():
                return logits(self._live(), self.probe)
        self.model.disable_adapters()
        return logits(self._live(), self.probe)

    def _live(self) -> Any:
        """The model as it can be called and read now that a Trainer may have wrapped it."""
        return trained(self.trainer, self.model)

    # ---- what was seen ---------------------------------------------------------------------

    def _observation(self) -> Observation:
        recorder, state = self.recorder, getattr(self.trainer, "state", None)
        if recorder is not None:
            self.seen |= {
                "groups": recorder.groups,
                "start": recorder.start,
                "units": recorder.units,
                "held": recorder.held,
                "computed_in": recorder.computed_in,
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
            columns=frozenset(self.collator.columns),
            warnings=tuple(self.heard),
            model_class=type(self.model).__name__,
            strict_loads=strict_loads(),
            seconds=self.seconds,
            **self.seen,
        )

    def _is_frozen(self, name: str) -> bool:
        base = self.base_names.get(name)
        trains = self.scenario.recipe.trains_base
        return base is not None and not trains(self.scenario.family, base)

    def _base_after(self) -> Tensors:
        named = ((self._base_name(name), t) for name, t in tensors(self._live()).items())
        return {base: t for base, t in named if base is not None}

    def _settings(self) -> dict[str, Mapping[str, str]]:
        held = quantization_state.settings(self.model)
        return {self.base_names.get(name, name): settings for name, settings in held.items()}

    def _adapter_tensors(self) -> Tensors:
        held = tensors(self._live()).items()
        return {name: tensor for name, tensor in held if self._base_name(name) is None}

    def _base_name(self, name: str) -> str | None:
        return quantization_state.base_name(name, self.base_names)

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


def _scramble(noise: int) -> None:
    random.seed(noise)
    numpy.random.seed(noise)
    torch.manual_seed(noise)
