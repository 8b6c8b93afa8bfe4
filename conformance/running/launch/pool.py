"""The worker's side of launching: orders go to the fork server, observations come back."""

import atexit
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from conformance import one_thread
from conformance.compat import Unavailable
from conformance.running import placing
from conformance.running.observation import Observation
from conformance.scenarios import Scenario

from . import server_process, zero
from .server_process import ServerProcess

LAST_WORDS = 1000  # characters kept of what the fork server wrote before it died
PATIENCE = 60.0  # seconds that the ranks of one training may take together


class RanksLost(Exception):
    """A rank died by a signal, or ended without a result; the message says which and how.

    ``status`` is its exit status, negative for the signal that ended it.
    """

    def __init__(self, rank: int, status: int, heard: str) -> None:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        super().__init__(f"rank {rank} ended with {how}\n{heard}")
        self.status = status


class RanksHung(Exception):
    """The ranks did not end in time; the message holds their stacks."""


class Pool:
    """Starts the fork server at its first training and ends it with this process."""

    def __init__(self, trainer_class: type, fault: str = "") -> None:
        self.trainer = f"{trainer_class.__module__}:{trainer_class.__qualname__}"
        self.fault = fault
        self.launches = 0
        self._server: ServerProcess | None = None

    def run(
        self,
        scenario: Scenario,
        output_dir: Path,
        resume_from: str | bool | None,
        options: Mapping[str, Any],
    ) -> Observation:
        """What rank 0 saw, with all ranks' observations in ``ranks``; ``options`` see `rank.run`.

        A scenario without a launch is trained in one new process. Raises `RanksLost`,
        `RanksHung`, and what a rank raised for want of anything to judge.
        """
        if not one_thread.AVAILABLE:
            raise Unavailable("processes are forked on Linux alone")
        placing.require_cards(scenario.processes)
        if scenario.launch.startswith("zero"):
            zero.require()
        self.launches += 1
        with tempfile.TemporaryDirectory() as folder:
            answer = self._ask(
                {
                    "scenario": scenario.changed(),
                    "ranks": scenario.processes,
                    "trainer": self.trainer,
                    "folder": str(output_dir),
                    "resume": resume_from,
                    "options": dict(options),
                    "fault": self.fault,
                    "results": folder,
                    "patience": PATIENCE,
                }
            )
            return _gathered(Path(folder), scenario.processes, answer)

    def close(self) -> None:
        """End the fork server, and with it what it started."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        server = self._running_server()
        server.orders.write(json.dumps(order, default=str) + "\n")
        server.orders.flush()
        line = server.answers.readline()
        if not line:
            status = server.ended(True) or 0
            heard = f"with the process that launches: {server.last_words(LAST_WORDS)}"
            raise RanksLost(0, status, heard)
        return dict(json.loads(line))

    def _running_server(self) -> ServerProcess:
        if self._server is None or self._server.ended(False) is not None:
            self._server = server_process.get()
            atexit.register(self.close)
        return self._server


def _gathered(folder: Path, ranks: int, answer: Mapping[str, Any]) -> Observation:
    if "alone" in answer:
        raise Unavailable(answer["alone"])
    if answer["late"]:
        raise RanksHung("\n".join(f"rank {r}:\n{text}" for r, text in enumerate(answer["heard"])))
    paths = [folder / f"rank-{rank}.pt" for rank in range(ranks)]
    seen = [_read(path) for path in paths if path.exists()]
    for rank, status in enumerate(answer["statuses"]):
        if status is not None and (status < 0 or not paths[rank].exists()):
            raise RanksLost(rank, status, answer["heard"][rank])
    failed = next((one for one in seen if one.failure is not None), None)
    return replace(failed or seen[0], ranks=tuple(seen))


def _read(path: Path) -> Observation:
    # Written a moment ago by a process of ours.
    seen: Observation | Exception = torch.load(path, weights_only=False)
    if isinstance(seen, Exception):
        raise seen
    return seen
