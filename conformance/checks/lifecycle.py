"""A story: what is done to one model, step by step, each step judged when it is done.

A `Story` keeps what the documentation lets one expect of the model and compares after every step:
the base, every adapter, which is active, what asks for gradients, the logits. What a step may
change is named in it; all else has to keep its bits.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from conformance.checks import merging
from conformance.judging import (
    Tensors,
    changed,
    empty,
    equal,
    identical,
    note_count,
    require,
    same_bits,
    same_names,
)
from conformance.running.lifecycle import Life, Look, Saved
from conformance.scenarios import Scenario

Guard = Callable[[Scenario], AbstractContextManager[None]]


class Story:
    """One model's life, judged. ``told`` are the steps so far, ``over`` says that it ended early.

    ``guard``, where there is one, surrounds every step and may pass over what a listed deviation
    explains: the story then ends, unless the step left the model as it was expected to be.
    """

    def __init__(
        self, scenario: Scenario, trainer_class: type, folder: Path, guard: Guard | None = None
    ) -> None:
        self.scenario = scenario
        self.life = Life(scenario, trainer_class, folder)
        self.guard = guard or (lambda _: contextlib.nullcontext())
        self.told: list[str] = []
        self.over = False
        self.base = self.life.base
        self.base_logits = self.life.base_logits()
        self.adapters: dict[str, Tensors] = {}
        self.logits: dict[str, torch.Tensor] = {}
        self.saves: list[Saved] = []
        self.active = ""
        self.enabled = True
        self.frozen = False
        self.merged = False
        self.unmerged: Tensors = {}
        self.slack: Tensors = {}

    # ---- telling ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def step(self, text: str, traceless: bool = False) -> Iterator[None]:
        """One step; what it raises carries the story so far."""
        self.told.append(text)
        done = False
        with self.guard(self.scenario):
            try:
                yield
            except Exception as error:
                error.__notes__ = [*getattr(error, "__notes__", ()), self.text()]
                raise
            done = True
        self.over = not (done or traceless)
        note_count("steps")

    def text(self) -> str:
        """The story as a list that can be read."""
        lines = [f"{number}. {text}" for number, text in enumerate(self.told, 1)]
        return "\n".join([f"the story, with {self.scenario!r}:", *lines])

    def holds(self, look: Look | None = None) -> Look:
        """The model is what is expected of it: the invariant after every step."""
        look = look or self.life.look()
        identical("base parameters and buffers", look.base, self.base)
        same_names("the model's adapters", look.adapters, self.adapters)
        for name, expected in self.adapters.items():
            identical(f"adapter {name!r}", look.adapters[name], expected)
        empty("tensors of no adapter", look.strangers)
        equal("active adapters", list(look.active), [self.active] if self.active else [])
        same_names("what asks for gradients", look.trainable, self._trainable())
        self._logits_hold(look)
        return look

    def _trainable(self) -> list[str]:
        """All of the active adapter, but for what its tokens were before they were trained."""
        trains = self.active and self.enabled and not self.frozen
        held = self.adapters[self.active] if trains else ()
        return [name for name in held if "trainable_tokens_original" not in name]

    def _logits_hold(self, look: Look) -> None:
        if not (self.active and self.enabled):
            same_logits("logits without an adapter", look.logits, self.base_logits)
        elif self.active in self.logits and not self.merged:
            same_logits(f"logits of {self.active!r}", look.logits, self.logits[self.active])
        elif not self.merged:
            self.logits[self.active] = look.logits

    def _became(self, name: str, look: Look) -> None:
        """From now on, adapter ``name`` is expected to be what it is in this look."""
        self.adapters[name] = look.adapters[name]
        self.logits.pop(name, None)

    # ---- adapters come and go --------------------------------------------------------------

    def add(self, name: str, then_activate: bool = False) -> None:
        """Add an adapter: nothing else changes, and only the first one is active at once."""
        with self.step(f"add adapter {name!r}{' and activate it' if then_activate else ''}"):
            self.life.add(name)
            if then_activate or not self.adapters:
                self._switched(name, then_activate)
            look = self.life.look()
            self._arrived(name, look)
            self.holds(look)

    def load(self, name: str, number: int, then_activate: bool = False) -> None:
        """Load a saved adapter under a new name: it has the values that were saved, and is frozen.

        Transformers leaves open which adapter is active then; peft documents that none becomes so.
        """
        one = self.saves[number % len(self.saves)]
        then = " and activate it" if then_activate else ""
        with self.step(f"load saved adapter {one.adapter!r} as {name!r}{then}"):
            self.life.load(name, one)
            if then_activate:
                self._switched(name, then_activate)
            look = self.life.look()
            self._arrived(name, look)
            identical(f"adapter {name!r} as loaded", look.adapters[name], one.named(name))
            if self.scenario.native and look.active == (name,) and not then_activate:
                self.active, self.frozen = name, True
            self.holds(look)

    def _switched(self, name: str, by_call: bool) -> None:
        if by_call:
            self.life.activate(name)
        self.active, self.frozen = name, False

    def _arrived(self, name: str, look: Look) -> None:
        require(name in look.adapters, "adapters", sorted(look.adapters), f"{name!r} among them")
        self._became(name, look)

    def activate(self, name: str) -> None:
        """Switch to an adapter: it alone works and trains, with the values it had."""
        with self.step(f"activate {name!r}"):
            self._switched(name, by_call=True)
            self.holds()

    def delete(self, name: str) -> None:
        """Delete an adapter; when it was active, another is, the same in every layer."""
        with self.step(f"delete {name!r}"):
            self.life.delete(name)
            del self.adapters[name]
            self.logits.pop(name, None)
            look = self.life.look()
            if name == self.active:
                equal("active adapters", len(look.active), min(1, len(self.adapters)))
                self.active, self.frozen = look.active[0] if look.active else "", False
            self.holds(look)

    def disable(self) -> None:
        """Disable: the logits are the base's, and nothing asks for gradients."""
        with self.step("disable the adapters"):
            self.life.disable()
            self.enabled = False
            self.holds()

    def enable(self) -> None:
        """Enable: all is as it was before disabling."""
        with self.step("enable the adapters"):
            self.life.enable()
            self.enabled = True
            self.holds()

    # ---- training --------------------------------------------------------------------------

    def train(self, steps: int) -> None:
        """Train: the active adapter moves, every LoRA B of it, and nothing else does."""
        with self.step(f"train {self.active!r} for {steps} steps"):
            self.life.train(steps)
            self._trained()
            note_count("trainings")

    def _trained(self) -> None:
        look, name = self.life.look(), self.active
        before = {n: t for n, t in self.adapters[name].items() if "lora_B" in n}
        changed(f"training {name!r}", before, look.adapters[name])
        same_names(f"tensors of {name!r}", look.adapters[name], self.adapters[name])
        self._became(name, look)
        self.holds(look)

    def evaluate(self) -> None:
        """Evaluate: a loss that is a number, and nothing changes."""
        with self.step("evaluate"):
            loss = self.life.evaluate()
            require(math.isfinite(loss), "the evaluation's loss", loss, "a finite number")
            self.holds()

    def break_off_and_resume(self, steps: int, after: int) -> None:
        """Broken off after a checkpoint and resumed in fresh objects: the uninterrupted training.

        The story goes on with the fresh objects.
        """
        what = f"train {self.active!r} for {steps} steps, broken off after {after} and resumed"
        with self.step(what, traceless=True):
            folder, broken_off = self.life.break_off(steps, after)
            names = list(self.adapters)
            self.life.train(steps)
            self._trained()
            early = broken_off.look().adapters[self.active]
            ahead = [n for n, t in self.adapters[self.active].items() if not same_bits(t, early[n])]
            require(bool(ahead), "the training broken off", "the whole one", "steps are missing")
            resumed = self.life.resume(steps, folder, names, self.active)
            self.holds(resumed.look())
            self.life = resumed
            note_count("resumes")

    # ---- on disk ---------------------------------------------------------------------------

    def save(self, by_trainer: bool) -> None:
        """Save: what is written loads back onto a fresh base as it is, and gives its logits.

        `PeftModel` writes all its adapters, a Transformers model the active one.
        """
        with self.step(f"save with {'Trainer.save_model' if by_trainer else 'save_pretrained'}"):
            folder = self.life.save(by_trainer)
            written = [self.active] if self.scenario.native else list(self.adapters)
            for name in written:
                self.saves.append(Saved(folder, name, self.adapters[name]))
            self.holds()
        if not self.over:
            self._load_back(written)

    def _load_back(self, names: list[str]) -> None:
        for name, one in zip(names, self.saves[-len(names) :], strict=True):
            with self.step(f"load {name!r} back onto a fresh base", traceless=True):
                look = self.life.loaded_back(one).look()
                identical(f"adapter {name!r} as loaded back", look.adapters[name], one.tensors)
                if name in self.logits:
                    same_logits("logits as loaded back", look.logits, self.logits[name])

    # ---- merging ---------------------------------------------------------------------------

    def merge(self, safe: bool) -> None:
        """Merge: the base is base plus delta, the adapter is kept, the logits stay as they were."""
        with self.step(f"merge{' safely' if safe else ''}"):
            weights = merging.Merged.of(self.scenario, self.base, self.adapters[self.active])
            self.life.merge(safe)
            look = self.life.look()
            weights.is_in(look.base, self.base)
            merging.logits_stay(look.logits, self.logits[self.active])
            self.unmerged, self.slack = self.base, weights.slack
            self.base, self.merged = look.base, True
            self.holds(look)

    def unmerge(self) -> None:
        """Unmerge: the base is what it was, but for rounding."""
        with self.step("unmerge"):
            self.life.unmerge()
            look = self.life.look()
            merging.is_back(look.base, self.unmerged, self.slack)
            merging.logits_stay(look.logits, self.logits[self.active])
            self.merged = False
            self._new_base(look.base)
            self.holds(look)

    def merge_for_good(self, safe: bool) -> None:
        """Merge and unload: a plain model, base plus delta, with the logits of the adapter."""
        with self.step(f"merge{' safely' if safe else ''} and unload"):
            before = self.unmerged if self.merged else self.base
            weights = merging.Merged.of(self.scenario, before, self.adapters[self.active])
            logits = self.logits[self.active]
            self.life.merge_for_good(safe)
            look = self.life.look()
            weights.is_in(look.base, before, unloaded=True)
            merging.logits_stay(look.logits, logits)
            self.adapters, self.active, self.merged, self.saves = {}, "", False, []
            self._new_base(look.base)
            merging.is_plain(self.life.model, self.scenario)
            same_logits("logits of the merged model", look.logits, self.base_logits)

    def _new_base(self, base: Tensors) -> None:
        self.base = self.life.base = base
        self.base_logits = self.life.base_logits()
        self.logits = {}


def same_logits(what: str, got: torch.Tensor, expected: torch.Tensor) -> None:
    """Both are the same, bit for bit."""
    identical(what, {"logits": got}, {"logits": expected})
