"""The documented order of callback events, written by hand: what a training should have sent out.

Sources: the events of TrainerCallback ("called at the beginning of an epoch", "at the end of a
substep during gradient accumulation", …) and the flags of TrainerControl ("If True, this variable
will be set back to False at the beginning of the next step"):
https://huggingface.co/docs/transformers/main_classes/callback
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from conformance import compat
from conformance.judging import equal, note, require
from conformance.running.data import EVALUATION_BATCH, EVALUATION_EXAMPLES
from conformance.running.observation import Event, Observation
from conformance.scenarios import Scenario

ACTIONS = ("should_log", "should_evaluate", "should_save")
STOPS = ("should_epoch_stop", "should_training_stop")


@dataclass(frozen=True, slots=True)
class Request:
    """A callback's wish: at this event, when ``state.global_step`` is ``step``, set this flag."""

    event: str
    step: int
    flag: str
    value: bool = True


class Timeline:
    """The events of a training from its start to its end.

    ``requests`` are what callbacks set; ``logging`` is the logging strategy (``steps``, ``epoch``,
    ``no``, ``first`` for steps and the first one). ``at_the_end`` names the actions by steps that
    come at the very last step too, which releases decide differently. ``improves`` tells whether
    the evaluation of that number (from 0) gave a new best metric, for saving by ``best``.
    """

    def __init__(
        self,
        scenario: Scenario,
        requests: Iterable[Request] = (),
        logging: str = "steps",
        at_the_end: Collection[str] = (),
        improves: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.scenario = scenario
        self.requests = list(requests)
        self.logging = logging
        self.at_the_end = at_the_end
        self.improves = improves
        self.events: list[Event] = []
        self.flags: set[str] = set()
        self.step = 0
        self.epoch = 0.0
        self.logged = 0
        self.evaluations = 0
        self._train()

    # ---- the loops -------------------------------------------------------------------------

    def _train(self) -> None:
        self._send("on_init_end")
        self._send("on_train_begin")
        for epoch in count():
            self._epoch(epoch)
            if "should_training_stop" in self.flags:
                break
            if epoch + 1 >= self.scenario.epochs and not self.scenario.max_steps:
                break
        self._send("on_log")
        self._send("on_train_end")

    def _epoch(self, epoch: int) -> None:
        self.flags.discard("should_epoch_stop")
        self._send("on_epoch_begin")
        batches, window = self.scenario.batches_per_epoch, self.scenario.accumulation
        for first in range(0, batches, window):
            after = min(first + window, batches)
            self._step(after - first, epoch + after / batches)
            if self._stopped:
                break
        self._send("on_epoch_end", self._due("epoch"))
        self._act()

    def _step(self, micro_batches: int, epoch: float) -> None:
        self.flags -= set(ACTIONS)
        self._send("on_step_begin")
        for _ in range(micro_batches - 1):
            self._send("on_substep_end")
            if self._stopped:
                return
        self._send("on_pre_optimizer_step")
        self._send("on_optimizer_step")
        self.step, self.epoch = self.step + 1, epoch
        self._send("on_step_end", self._due("steps"))
        self._act()

    def _act(self) -> None:
        """What the flags ask for: a log, then an evaluation, then a checkpoint."""
        if "should_log" in self.flags and self.step > self.logged:
            self.logged = self.step
            self.flags.discard("should_log")
            self._send("on_log")
        if "should_evaluate" in self.flags:
            self._evaluate()
        if "should_save" in self.flags:
            self.flags.discard("should_save")
            self._send("on_save")

    def _evaluate(self) -> None:
        whole, rest = divmod(EVALUATION_EXAMPLES, EVALUATION_BATCH)
        for _ in range(whole + (rest > 0 and not self.scenario.drop_last)):
            self._send("on_prediction_step")
        self._send("on_log")
        self.flags.discard("should_evaluate")
        self._send("on_evaluate")
        if self.scenario.save == "best" and self.improves(self.evaluations):
            self.flags.add("should_save")
        self.evaluations += 1

    # ---- what is due, and who asks for more ------------------------------------------------

    def _due(self, strategy: str) -> set[str]:
        """What the arguments ask for at this end of a step or an epoch."""
        asked = {
            "should_log": self.logging.replace("first", "steps"),
            "should_evaluate": self.scenario.evaluate,
            "should_save": self.scenario.save,
        }
        return {flag for flag, chosen in asked.items() if chosen == strategy and self._now(flag)}

    def _now(self, flag: str) -> bool:
        scenario = self.scenario
        interval = {
            "should_log": scenario.logging_steps if self.logging in ("steps", "first") else 1,
            "should_evaluate": scenario.eval_steps if scenario.evaluate == "steps" else 1,
            "should_save": scenario.save_steps if scenario.save == "steps" else 1,
        }[flag]
        first = flag == "should_log" and self.logging == "first" and self.step == 1
        last = flag in self.at_the_end and self.step == scenario.steps
        return self.step % interval == 0 or first or last

    @property
    def _stopped(self) -> bool:
        return bool(self.flags & set(STOPS))

    def _send(self, name: str, due: Collection[str] = ()) -> None:
        """One event, what is due at it, and what callbacks make of that."""
        self.events.append(Event(name, self.step, self.epoch))
        self.flags |= set(due)
        if name == "on_step_end" and self.step >= self.scenario.steps:
            self.flags.add("should_training_stop")
        for request in [r for r in self.requests if (r.event, r.step) == (name, self.step)]:
            self.requests.remove(request)
            (self.flags.add if request.value else self.flags.discard)(request.flag)


def in_documented_order(observation: Observation, **options: Any) -> None:
    """The events of a training are those of its `Timeline`, each at its step and epoch.

    ``options`` are those of `Timeline`. Epochs are compared to nine decimals: a fraction of two
    small integers, however it is computed, is off by some 1e-16.
    """
    options.setdefault("at_the_end", _at_the_end(observation))
    options.setdefault("improves", _improvements(observation).__contains__)
    expected = Timeline(observation.scenario, **options).events
    known = compat.callback_events()
    same_events(observation.events, [event for event in expected if event.name in known])
    note(events=len(observation.events), steps=len(observation.steps))
    require(bool(observation.steps), "the training", "took no step", "at least one")


def same_events(got: Sequence[Event], expected: Sequence[Event]) -> None:
    """Both are the same; the message shows the first place where they part."""
    shown, wanted = [list(map(_shown, side)) for side in (got, expected)]
    for place, (one, other) in enumerate(zip(shown, wanted, strict=False)):
        before = f" after {shown[place - 1]}" if place else ""
        equal(f"event {place}{before}", one, other)
    equal("events: how many", len(shown), len(wanted))


def _shown(event: Event) -> str:
    return f"{event.name} at step {event.step}, epoch {round(event.epoch or 0.0, 9)}"


def _at_the_end(observation: Observation) -> set[str]:
    """Which actions by steps came at the last step as well: loop.cadence says they may."""
    last = observation.scenario.steps
    came = {
        "should_evaluate": [entry["step"] for entry in observation.evaluations],
        "should_save": [save.step for save in observation.saves],
    }
    return {flag for flag, steps in came.items() if last in steps}


def _improvements(observation: Observation) -> set[int]:
    """The evaluations whose loss was below all before."""
    losses = [entry["eval_loss"] for entry in observation.evaluations]
    return {n for n, loss in enumerate(losses) if all(loss < other for other in losses[:n])}
