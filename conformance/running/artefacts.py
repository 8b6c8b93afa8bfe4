"""Checkpoints that releases of the libraries wrote, kept under ``fixtures/across``.

Each is of the second of four steps that a classifier takes on one and the same batch, so that
neither the order of the data, nor a generator, nor what a release takes for the number of tokens
has a say in how it goes on. What it held, and how the training
ended under the release that wrote it, lies beside it: tensors in ``expected.safetensors``, numbers
and versions in ``about.json``. The base is not kept: under all supported releases the same seed
draws the same weights, of which there is a digest. Nor is ``training_args.bin``, a pickle with the
writer's paths, which no resume reads.

    python -m conformance.running.artefacts FOLDER      # under the release that is to be kept
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.version import Version
from safetensors.torch import load_file, save_file

from conformance import paths
from conformance.compat import Unavailable
from conformance.records.reading import RecordError, parse, text_of
from conformance.scenarios import Scenario

from . import build, looking
from .observation import Observation, State, Tensors

SCENARIO = Scenario(
    architecture="bert", examples=2, batch_size=2, epochs=4.0, save="steps", save_steps=2
)
ADAPTERS = ("lora", "dora")
STEP = 2
PACKAGES = ("transformers", "peft", "accelerate", "torch")
_LARGEST = 2**24  # bytes of a file; those that are kept have a thousandth of it
_EXPECTED, _ABOUT = "expected.safetensors", "about.json"


@dataclass(frozen=True, slots=True)
class Artefact:
    """One checkpoint: who wrote it, where it lies, and what came of the training it is of.

    ``losses`` and ``rates`` are of the steps after it. ``expected`` maps ``part:name`` to tensors
    of the parts ``start``, ``exp_avg``, ``exp_avg_sq`` and ``end`` by parameter, and ``logits:``.
    """

    checkpoint: Path
    versions: Mapping[str, str]
    base: str
    losses: tuple[float, ...]
    rates: tuple[float, ...]
    expected: Tensors

    def part(self, name: str) -> Tensors:
        """The tensors of one part, by parameter."""
        found = (key.partition(":") for key in self.expected)
        return {key: self.expected[f"{part}:{key}"] for part, _, key in found if part == name}

    @property
    def later(self) -> tuple[str, ...]:
        """The packages that were newer than the installed ones when it was written."""
        asked = (name for name in PACKAGES if name != "torch")
        return tuple(n for n in asked if Version(self.versions[n]) > Version(version(n)))


def releases() -> tuple[str, ...]:
    """The releases that checkpoints are kept of, oldest first."""
    names = {path.parents[1].name for path in _folder().glob(f"*/*/{_ABOUT}")}
    return tuple(sorted(names, key=lambda name: Version(name.rpartition("-")[2])))


def kept(release: str, scenario: Scenario) -> Artefact:
    """The checkpoint of a release with the scenario's adapter.

    Raises `Unavailable` where the installed torch draws another base than the writer's.
    """
    folder = _folder() / release / scenario.adapter
    about = _about(folder / _ABOUT)
    if about["base"] != digest(scenario):
        raise Unavailable(f"torch {version('torch')} draws another base than {about['versions']}")
    if (folder / _EXPECTED).stat().st_size > _LARGEST:
        raise RecordError(f"{folder / _EXPECTED} is none that was kept: it is too large")
    return Artefact(
        checkpoint=folder / f"checkpoint-{STEP}",
        versions=about["versions"],
        base=about["base"],
        losses=tuple(about["losses"]),
        rates=tuple(about["rates"]),
        expected=load_file(folder / _EXPECTED),
    )


def _about(path: Path) -> dict[str, Any]:
    """What is said of a checkpoint; raises `RecordError` for a file that nothing here wrote."""
    if path.stat().st_size > _LARGEST:
        raise RecordError(f"{path} is none that was kept: it is too large")
    about = parse(text_of(path), str(path))
    shape = {"versions": dict, "base": str, "losses": list, "rates": list}
    if not isinstance(about, dict) or {n: type(v) for n, v in about.items()} != shape:
        raise RecordError(f"{path} is of another shape")
    numbers = [*about["losses"], *about["rates"]]
    texts = [about["versions"].get(name) for name in PACKAGES]
    if not all(isinstance(n, float) for n in numbers) or not all(isinstance(t, str) for t in texts):
        raise RecordError(f"{path} is of another shape")
    return about


def digest(scenario: Scenario) -> str:
    """A digest of the base's parameters; of its buffers releases keep more or fewer."""
    found = hashlib.sha256()
    for name, parameter in sorted(build.base_model(scenario).named_parameters()):
        found.update(name.encode() + parameter.detach().cpu().numpy().tobytes())
    return found.hexdigest()[:16]


def write(folder: Path) -> None:
    """Train under the installed release, and keep a checkpoint with each adapter in ``folder``."""
    from transformers import Trainer

    from .single import Run

    for adapter in ADAPTERS:
        scenario = SCENARIO.but(adapter=adapter)
        own = folder / f"transformers-{version('transformers')}" / adapter
        with tempfile.TemporaryDirectory() as scratch:
            seen = Run(scenario, Path(scratch), Trainer)(None).trained()
            held = seen.saved(STEP).folder
            left_out = shutil.ignore_patterns("training_args.bin", "README.md")
            shutil.copytree(held, own / held.name, ignore=left_out)
            forget_where(own / held.name / "adapter_config.json")
            _note(own, scenario, seen)


def forget_where(path: Path) -> None:
    """The base lay in a folder of the writer's, whose name is nobody else's business."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = Path(config["base_model_name_or_path"]).name
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _note(folder: Path, scenario: Scenario, seen: Observation) -> None:
    rest = seen.steps[STEP:]
    about = {
        "versions": {name: version(name).partition("+")[0] for name in PACKAGES},
        "base": digest(scenario),
        "losses": [step.loss for step in rest],
        "rates": [step.learning_rates[0] for step in rest],
    }
    (folder / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    save_file(_expected(scenario, folder, seen), folder / _EXPECTED)


def _expected(scenario: Scenario, folder: Path, seen: Observation) -> dict[str, Any]:
    from . import data, saved

    start, end = seen.steps[STEP - 1].after, seen.steps[-1].after
    parts = {"start": start.adapter, "end": end.adapter, **moments(start)}
    found = {f"{part}:{name}": t for part, held in parts.items() for name, t in held.items()}
    model = saved.load_adapter(scenario, folder / f"checkpoint-{STEP}")
    found["logits:"] = looking.logits(model, data.probe(scenario))
    return {key: tensor.detach().clone().contiguous() for key, tensor in found.items()}


def moments(state: State) -> dict[str, Tensors]:
    """Adam's moments by parameter: ``exp_avg`` and ``exp_avg_sq``."""
    return {
        moment: {name: held[moment] for name, held in state.optimizer.items() if moment in held}
        for moment in ("exp_avg", "exp_avg_sq")
    }


def _folder() -> Path:
    return paths.fixtures() / "across"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
