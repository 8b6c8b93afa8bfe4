"""What one forked rank does: the training of the scenario, and its observation into a file."""

from pathlib import Path
from typing import Any

import torch

from conformance import subjects
from conformance.running.single import Run
from conformance.scenarios import Scenario


def run(order: dict[str, Any], result: Path) -> None:
    """Train as the order says (see `parent`), and write what this rank saw to ``result``."""
    training = Run(
        Scenario.from_json(order["scenario"]),
        Path(order["folder"]),
        subjects.trainer_class(order["trainer"]),
        **order["options"],
    )
    seen = training(order["resume"])
    torch.save(seen, result.with_suffix(".part"))
    result.with_suffix(".part").rename(result)
    if seen.failure is not None:
        raise SystemExit(str(seen.failure))
