"""What one forked rank does: the training of the scenario, and its observation into a file."""

import os
from pathlib import Path
from typing import Any

import torch

from conformance import subjects
from conformance.running.single import Run
from conformance.scenarios import Scenario


def run(order: dict[str, Any], result: Path) -> None:
    """Train as the order says (see `parent`), and write what this rank saw to ``result``.

    Besides the options of `Run` there is ``own_folders``: each rank writes below a folder of its
    own, as nodes with disks of their own do.
    """
    options, folder = dict(order["options"]), Path(order["folder"])
    if options.pop("own_folders", False):
        folder = folder / os.environ["RANK"]
    training = Run(
        Scenario.from_json(order["scenario"]),
        folder,
        subjects.trainer_class(order["trainer"]),
        **options,
    )
    seen = training(order["resume"])
    torch.save(seen, result.with_suffix(".part"))
    result.with_suffix(".part").rename(result)
    if seen.failure is not None:
        raise SystemExit(str(seen.failure))
