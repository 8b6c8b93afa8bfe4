"""TensorBoard's event files, read back by TensorBoard and held against the log.

Source of the tags: metrics named ``eval_…`` are shown under ``eval/…``, ``test_…`` under ``test/…``
and all others under ``train/…``, as `TensorBoardCallback` has always written them:
https://huggingface.co/docs/transformers/main_classes/callback#transformers.integrations.TensorBoardCallback
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy

from conformance.judging import empty, equal, note, require, same_names

Curves = Mapping[str, list[tuple[int, float]]]
PREFIXES = ("eval", "test")


def written(folder: Path) -> Curves:
    """Every scalar in the event files below ``folder``: tags to steps and values, in order."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            curves[tag] += [(event.step, event.value) for event in events.Scalars(tag)]
    return curves


def logged(history: Iterable[Mapping[str, Any]]) -> Curves:
    """What the entries of a log history are as curves, their values in float32."""
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for entry in history:
        for name, value in entry.items():
            if name != "step":
                curves[_tag(name)].append((entry["step"], float(numpy.float32(value))))
    return curves


def shows_the_log(folder: Path, history: Iterable[Mapping[str, Any]]) -> None:
    """Each number logged is in the event files, under its tag, at its step, and nothing else."""
    found, expected = written(folder), logged(history)
    require(bool(expected), "numbers logged", 0, "some")
    same_names("tags", found, expected)
    for tag, points in expected.items():
        equal(f"steps of {tag}", [step for step, _ in found[tag]], [step for step, _ in points])
        wrong = [
            f"{got} instead of {wanted} at step {wanted[0]}"
            for got, wanted in zip(found[tag], points, strict=True)
            if got != wanted
        ]
        empty(f"wrong values of {tag}", wrong)
    note(tags=len(expected), points=sum(map(len, expected.values())))


def _tag(name: str) -> str:
    prefix, _, rest = name.partition("_")
    return f"{prefix}/{rest}" if prefix in PREFIXES and rest else f"train/{name}"
