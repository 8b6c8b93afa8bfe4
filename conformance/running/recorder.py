"""Seeing a training through public seams: a callback, an overridden step, optimizer hooks."""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from conformance import compat

from . import placing
from .adapter_states import AdapterStates, adapter_state_dicts
from .launch import zero
from .launch.wrappers import (
    barrier,
    before_steps,
    computed_in,
    gradients,
    groups,
    held,
    named_parameters,
    opened,
    optimizer_state,
    stepped,
    trained,
    units,
    whole,
    whole_state,
)
from .observation import Event, Group, MicroBatch, Save, State, Step, Tensors

Names = dict[int, str]
LOADED_BACK = 2  # a training's first checkpoints, whose logits are compared with those of a reload


class Interrupted(Exception):
    """Raised by the recorder to stop a training right after a checkpoint, as a kill would."""


class Recorder(TrainerCallback):  # type: ignore[misc]
    """Collects what one training does; `watch` mixes it into a Trainer class.

    ``probe_logits`` gives the logits of the probe batch without side effects; ``is_base`` tells a
    base parameter's name; ``interrupt_at`` is the step whose checkpoint is the last one written;
    ``launched`` says that several processes train, which may wrap and shard the model.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        is_base: Callable[[str], bool],
        probe_logits: Callable[[], torch.Tensor],
        interrupt_at: int = 0,
        *,
        launched: bool = False,
    ) -> None:
        self.model = model
        self.parameters = dict(model.named_parameters())
        self.is_base = is_base
        self.probe_logits = probe_logits
        self.interrupt_at = interrupt_at
        self.trainer: Any = None
        self.unwrapped = copy.deepcopy(model) if launched else model
        self.optimizer: Any = None
        self.scheduler: Any = None
        self.groups: tuple[Group, ...] = ()
        self.start: State | None = None
        self.units: dict[str, str] = {}
        self.held: dict[str, int] = {}
        self.computed_in = ""
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.saves: list[Save] = []
        self._adapters = AdapterStates(model)
        self._micro: list[MicroBatch] = []
        self._gradients: Tensors = {}
        self._clipped: dict[str, torch.Tensor] = {}
        self._rates: tuple[float, ...] = ()

    # ---- the seams -------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """The optimizer and scheduler exist now, and a checkpoint has been loaded."""
        self.model = trained(self.trainer, self.model)
        self.parameters = named_parameters(self.model)
        self.units, self.held = units(self.model), held(self.model)
        self.computed_in = computed_in(self.model)
        self.optimizer = compat.raw_optimizer(seen["optimizer"])
        self.scheduler = compat.raw_scheduler(seen["lr_scheduler"])
        names = self._names()
        self.groups = tuple(
            Group(tuple(names.get(id(p)) for p in members), decay)
            for members, decay in groups(self.optimizer, self.parameters)
        )
        self.start = self.state()
        before_steps(self.trainer, self.optimizer, self._reduced, self._before_optimizer)

    def micro_batch(
        self, inputs: dict[str, torch.Tensor], loss: torch.Tensor, rng: str, last: bool
    ) -> None:
        """One forward and backward pass is done, the ``last`` one before the optimizer steps."""
        if last and not self._rates:  # before that FSDP 1 has no whole gradients to show
            self._gradients = gradients(self.model, self.parameters)
        holding = [name for name, p in self.parameters.items() if p.grad is not None]
        self._micro.append(
            MicroBatch(
                inputs=inputs,
                loss=float(loss),
                rng=rng,
                base_gradients=tuple(name for name in holding if self.is_base(name)),
                adapter_gradients=tuple(name for name in holding if not self.is_base(name)),
                training=all(module.training for module in self.model.modules()),
            )
        )

    def _reduced(self) -> None:
        """A step is to follow within the same call as the backward pass."""
        self._gradients = zero.reduced(self.parameters)
        self._rates = self._current_rates()

    def _before_optimizer(self, *_: Any) -> None:
        self._clipped |= stepped(self.model, self.parameters, self.optimizer)
        self._rates = self._rates or self._current_rates()

    def _current_rates(self) -> tuple[float, ...]:
        return tuple(float(group["lr"]) for group in self.optimizer.param_groups)

    def on_step_end(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """An optimizer step is done and counted."""
        self.steps.append(
            Step(
                number=state.global_step,
                epoch=float(state.epoch),
                micro_batches=tuple(self._micro),
                gradients=self._gradients,
                clipped=self._clipped,
                learning_rates=self._rates,
                after=self.state(),
            )
        )
        self._micro, self._gradients, self._clipped, self._rates = [], {}, {}, ()

    def on_save(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        """A checkpoint has been written and older ones rotated away."""
        barrier()
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.saves.append(
            Save(
                step=state.global_step,
                folder=folder,
                files=listing(folder),
                expected=self._expected(),
                kept=checkpoints(Path(args.output_dir)),
                logits=self.probe_logits() if len(self.saves) < LOADED_BACK else None,
                log_history=tuple(json.loads(json.dumps(state.log_history))),
                best_metric=state.best_metric,
            )
        )
        if state.global_step == self.interrupt_at:
            raise Interrupted

    def event(self, name: str, state: Any) -> None:
        """Any callback event, in the order they come."""
        epoch = None if state.epoch is None else float(state.epoch)
        self.events.append(Event(name, state.global_step, epoch))

    def _expected(self) -> dict[str, Tensors]:
        """What a checkpoint should hold now: peft is asked on a model that nothing has wrapped."""
        if self.unwrapped is self.model:
            return self._adapters()
        return adapter_state_dicts(self.unwrapped, whole_state(self.model))

    # ---- what is read through them ---------------------------------------------------------

    def state(self) -> State:
        """Copies of the trainable tensors, the optimizer's state by name, the scheduler's."""
        names = self._names()
        return State(
            adapter=trainable_tensors(self.model, self.parameters),
            optimizer={
                names.get(id(p), "a stranger"): {k: _copy(v) for k, v in values.items()}
                for p, values in optimizer_state(self.optimizer, self.parameters).items()
            },
            scheduler={
                k: _copy(v) for k, v in self.scheduler.state_dict().items() if k != "lr_lambdas"
            },
        )

    def _names(self) -> Names:
        return {id(p): name for name, p in self.parameters.items()}


def watch(trainer_class: type, recorder: Any) -> type:
    """A subclass of ``trainer_class`` that reports every micro-batch to the recorder, or to what
    passes it on to one.
    """

    class Watched(trainer_class):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
            seen = {k: placing.kept(v) for k, v in inputs.items() if torch.is_tensor(v)}
            rng = rng_digest()
            loss = super().training_step(model, inputs, *rest, **named)
            recorder.micro_batch(seen, loss, rng, self.accelerator.sync_gradients)
            return loss

    Watched.__name__ = Watched.__qualname__ = trainer_class.__name__
    return Watched


def event_trace(recorder: Any) -> Any:
    """A callback that hands every event the installed Trainer knows to the recorder."""

    def reporting(name: str) -> Callable[..., None]:
        def report(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
            recorder.event(name, state)

        return report

    events = {name: reporting(name) for name in compat.callback_events()}
    return type("EventTrace", (TrainerCallback,), events)()


def trainable_tensors(
    model: torch.nn.Module, parameters: Mapping[str, torch.nn.Parameter] | None = None
) -> Tensors:
    """Copies of the parameters that ask for gradients."""
    with opened(model):
        named = (parameters or named_parameters(model)).items()
        return {name: whole(parameter) for name, parameter in named if parameter.requires_grad}


def rng_digest() -> str:
    """A short digest of torch's generators."""
    return hashlib.sha256(placing.random_state()).hexdigest()[:16]


def listing(folder: Path) -> dict[str, int]:
    """Relative file names to bytes; empty when the folder is not there."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(files)}


def checkpoints(folder: Path) -> tuple[str, ...]:
    """The names of the checkpoint folders, by step."""
    names = (p.name for p in folder.glob("checkpoint-*") if p.is_dir())
    steps = (int(s) for s in (name.partition("-")[2] for name in names) if s.isdigit())
    return tuple(f"checkpoint-{step}" for step in sorted(steps))


def _copy(value: Any) -> Any:
    if torch.is_tensor(value):
        return whole(value)
    return list(value) if isinstance(value, list) else value
