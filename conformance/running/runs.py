"""`Runs`: trainings by scenario, each done once while a run of the suite lasts."""

import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conformance.scenarios import Scenario

from .launch import Pool
from .observation import Observation
from .reference import DOCUMENTED, Reference, train_by_hand
from .single import ADAPTER_SEED, OTHER_SEED, Run

KEPT = 12  # trainings held at a time, with their folders; tests of a scenario follow each other


class Runs:
    """A cache of trainings of one Trainer class.

    `train`, `resume` and `continue_` raise `TrainingFailed` when the libraries raised before
    `Trainer.train` returned; what says "look at ``failure``" hands back the observation with its
    failure instead, unless no adapter got into the model.
    ``count``, ``launches``, ``seconds`` and ``reference_seconds`` tell what it cost.
    """

    def __init__(self, trainer_class: type, scratch: Path, fault: str = "") -> None:
        self.trainer_class = trainer_class
        self.scratch = scratch
        self.pool = Pool(trainer_class, fault)
        self.count = 0
        self.seconds = 0.0
        self.reference_seconds = 0.0
        self._kept: OrderedDict[object, Any] = OrderedDict()

    @property
    def launches(self) -> int:
        """How many trainings were started in processes of their own."""
        return self.pool.launches

    def train(self, scenario: Scenario) -> Observation:
        """The scenario from its start to its end."""
        seen: Observation = self._once(scenario, lambda: self._run(scenario))
        return seen.trained()

    def again(self, scenario: Scenario, **options: Any) -> Observation:
        """The scenario trained anew, never from the cache; ``options`` are those of `Run`."""
        return self._run(scenario, **options).trained()

    def resume(self, scenario: Scenario, step: int) -> Observation:
        """Fresh objects, with other first weights, going on from the checkpoint at ``step``.

        The checkpoint is the uninterrupted training's own, in its own folder; what the resumed
        training writes goes to another.
        """

        def run() -> Observation:
            checkpoint = self.train(scenario).saved(step).folder
            return self._run(scenario, resume_from=str(checkpoint), **FRESH)

        seen: Observation = self._once((scenario, "resume", step), run)
        return seen.trained()

    def continue_(self, scenario: Scenario, step: int) -> Observation:
        """Interrupted right after the checkpoint at ``step``, then resumed in the same folder.

        Resumes with ``True``, as a user who restarts a job does.
        """

        def run() -> Observation:
            return self.resume_from(scenario, True, self.interrupt(scenario, step))

        seen: Observation = self._once((scenario, "continue", step), run)
        return seen.trained()

    def resume_from(
        self, scenario: Scenario, checkpoint: str | bool | None, folder: Path, **options: Any
    ) -> Observation:
        """Fresh objects in ``folder``, handed ``checkpoint``; look at ``failure``. Not cached."""
        given = {**FRESH, **options}
        return self._run(scenario, output_dir=folder, resume_from=checkpoint, **given).injected()

    def alone(
        self, scenario: Scenario, folder: Path, resume_from: str | None = None, **options: Any
    ) -> Observation:
        """The scenario in a new process, or resumed there; ``options`` are those of `rank.run`.

        Raises `RanksLost` when the process did not live to its end.
        """
        return self.alone_to_its_end(scenario, folder, resume_from, **options).trained()

    def alone_to_its_end(
        self, scenario: Scenario, folder: Path, resume_from: str | None = None, **options: Any
    ) -> Observation:
        """The same, whether it trained or failed; look at ``failure``."""
        fresh = FRESH if resume_from else {}
        seen = self.pool.run(scenario, folder, resume_from, {**fresh, **options})
        self.count += 1
        return seen.injected()

    def interrupt(self, scenario: Scenario, step: int) -> Path:
        """A folder in which a training was broken off after the checkpoint at ``step``."""
        folder = self.folder()
        self._run(scenario, output_dir=folder, interrupt_at=step).injected()
        return folder

    def reference(self, scenario: Scenario, scaling: str = DOCUMENTED) -> Reference:
        """The same training by the hand-written loop; see `train_by_hand` for ``scaling``."""
        key = (scenario, scaling)
        made: Reference = self._once(key, lambda: self._by_hand(scenario, scaling))
        return made

    def folder(self) -> Path:
        """A new empty folder that lives as long as this run of the suite."""
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def _by_hand(self, scenario: Scenario, scaling: str) -> Reference:
        began = time.perf_counter()
        try:
            return train_by_hand(scenario, scaling)
        finally:
            self.reference_seconds += time.perf_counter() - began

    def _run(
        self,
        scenario: Scenario,
        output_dir: Path | None = None,
        resume_from: str | bool | None = None,
        **options: Any,
    ) -> Observation:
        began = time.perf_counter()
        folder = output_dir or self.folder()
        try:
            if scenario.launch:
                return self.pool.run(scenario, folder, resume_from, options)
            return Run(scenario, folder, self.trainer_class, **options)(resume_from)
        finally:
            self.count += 1
            self.seconds += time.perf_counter() - began

    def _once(self, key: object, make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            _, dropped = self._kept.popitem(last=False)
            if isinstance(dropped, Observation):
                shutil.rmtree(dropped.output_dir, ignore_errors=True)
        return self._kept[key]


# What a restarted process would not share with the one it continues.
FRESH: Mapping[str, Any] = {"adapter_seed": OTHER_SEED, "noise": 99}
assert OTHER_SEED != ADAPTER_SEED
