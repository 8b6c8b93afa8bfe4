"""`Environment`: a built stack, and what has to be set for one as old as it is."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from .base import base
from .stack import COMPANIONS, Stack

_PROJECT = Path(__file__).resolve().parents[2]
_UNCHECKED = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a stack can be imported.

    ``python`` is its interpreter; ``versions`` maps every package it sees, by canonical name, to
    the version it sees; ``moved`` those that differ from the base to (the base's, its own), empty
    where one has none. ``folder`` is the layer's, `None` for the base itself. ``seconds`` is what
    building it took and ``size`` its bytes on the disk, the base's left out.
    """

    stack: Stack
    python: Path
    versions: Mapping[str, str]
    moved: Mapping[str, tuple[str, str]]
    folder: Path | None = None
    seconds: float = 0.0
    size: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """What must be set in the process environment, for its users as for the suite."""
        return {_UNCHECKED: "1"} if self._unpickles_checkpoints else {}

    def environ(self) -> dict[str, str]:
        """The process environment in which its interpreter finds this very suite.

        The base's folders are taken off ``PYTHONPATH``: there they would come before the layer.
        """
        under = {os.path.realpath(folder) for folder in base().folders}
        given = [str(_PROJECT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        path = [part for part in given if part and os.path.realpath(part) not in under]
        return {**self.variables, **os.environ, "PYTHONPATH": os.pathsep.join(path)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its results should know, one sentence each."""
        found = [
            f"{name} moved from {old} to {new} though the stack does not name it: "
            "the base's does not fit"
            for name, (old, new) in self.moved.items()
            if name in COMPANIONS and name not in self.stack.names and self.stack.holds_companions
        ]
        if self._unpickles_checkpoints:
            found.append(
                f"runs with {_UNCHECKED}=1: without it no checkpoint of transformers "
                f"{self.versions['transformers']} resumes under torch {self.versions['torch']}, "
                "its users' neither"
            )
        return tuple(found)

    @property
    def _unpickles_checkpoints(self) -> bool:
        """Whether its ``torch.load`` refuses what its Trainer wrote: numpy's random state.

        torch loads weights alone by default since 2.6; transformers allows for it since 4.48.
        """
        torch, transformers = self.versions.get("torch"), self.versions.get("transformers")
        if not torch or not transformers:
            return False
        return Version(torch) >= Version("2.6") and Version(transformers) < Version("4.48.dev0")
