"""Callbacks as users write them: one looks at what it is handed, one asks, one raises.

Each holds a ``callback``, which goes to the Trainer.
"""

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from typing import Any

from transformers import TrainerCallback

from conformance import compat
from conformance.judging import Violation, note
from conformance.running.observation import Tensors
from conformance.running.placing import kept
from conformance.running.recorder import trainable_tensors

from .events import Request

OBJECTS = ("model", "optimizer", "lr_scheduler", "train_dataloader")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model held at an event: gradients other than none, trainable tensors."""

    gradients: Tensors
    adapter: Tensors


def on_every_event(hear: Callable[..., Any]) -> Any:
    """A callback that calls ``hear(name, args, state, control, **handed)`` at every event, and
    returns what it returns.
    """

    def hearing(name: str) -> Callable[..., Any]:
        def on_event(self: Any, args: Any, state: Any, control: Any, **handed: Any) -> Any:
            return hear(name, args, state, control, **handed)

        return on_event

    events = {name: hearing(name) for name in compat.callback_events()}
    return type("OnEveryEvent", (TrainerCallback,), events)()


class Witness:
    """Keeps what every event of a training was handed.

    ``logs`` and ``metrics`` are those of `on_log` and `on_evaluate` with their steps; ``missing``
    pairs each event of the training with the names of objects it did not get; ``models`` holds the
    type's name and the identity of every model handed over.
    """

    def __init__(self) -> None:
        self.callback = on_every_event(self._hear)
        self.logs: list[tuple[int, dict[str, Any]]] = []
        self.metrics: list[tuple[int, dict[str, Any]]] = []
        self.missing: list[tuple[str, list[str]]] = []
        self.models: set[tuple[str, int]] = set()
        self._seen: dict[tuple[str, int], Seen] = {}

    def at(self, event: str, step: int) -> Seen:
        """What an event was handed when ``global_step`` was ``step``, the last time it was sent.

        Raises `Violation` when it was not sent.
        """
        if (event, step) not in self._seen:
            raise Violation(f"{event} at step {step}", "not sent", "sent")
        return self._seen[event, step]

    def _hear(self, name: str, args: Any, state: Any, control: Any, **handed: Any) -> None:
        if name == "on_init_end":
            return
        self.missing.append((name, [each for each in OBJECTS if handed.get(each) is None]))
        self.models.add((type(handed["model"]).__name__, id(handed["model"])))
        self._seen[name, state.global_step] = _held(handed["model"])
        if name == "on_log":
            self.logs.append((state.global_step, dict(handed["logs"])))
        if name == "on_evaluate":
            self.metrics.append((state.global_step, dict(handed["metrics"])))


def _held(model: Any) -> Seen:
    named = list(model.named_parameters())
    gradients = {n: kept(p.grad) for n, p in named if p.grad is not None}
    return Seen(gradients, trainable_tensors(model))


class Requesting:
    """Sets the flags that ``requests`` ask for, each the first time that it can; ``made`` lists
    those that were, in the order they came. Noted as evidence: what has been asked for.
    """

    def __init__(self, requests: Iterable[Request]) -> None:
        self.callback = on_every_event(self._hear)
        self.made: list[Request] = []
        self._open = list(requests)
        note(asked=repr([astuple(request) for request in self._open]))

    def _hear(self, name: str, args: Any, state: Any, control: Any, **_: Any) -> Any:
        for request in [r for r in self._open if (r.event, r.step) == (name, state.global_step)]:
            setattr(control, request.flag, request.value)
            self._open.remove(request)
            self.made.append(request)
        return control


class Planned(Exception):
    """What `Raising` raises."""


class Raising:
    """Raises `Planned` at the ``occurrence``-th time (from 1) that ``event`` is sent.

    Noted as evidence: both.
    """

    def __init__(self, event: str, occurrence: int) -> None:
        self.callback = on_every_event(self._hear)
        self.event = event
        self.step = -1
        self._left = occurrence
        note(raising=repr((event, occurrence)))

    @property
    def message(self) -> str:
        """What the exception says."""
        return f"planned in {self.event}"

    @property
    def raised(self) -> bool:
        """Whether it came to it."""
        return self.step >= 0

    def _hear(self, name: str, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._left -= name == self.event
        if name == self.event and not self._left:
            self.step = state.global_step
            raise Planned(self.message)
