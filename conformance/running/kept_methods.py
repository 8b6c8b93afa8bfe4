"""Adapters of every method as releases of peft saved them, kept under ``fixtures/methods``.

What a method draws by a seed and does not save has to be drawn again by whoever loads: in another
process, under a later release. A release's folder has a folder a recipe, with the adapter as it was
saved; beside them lie ``expected.safetensors``, what the models gave, and ``about.json``.

    python -m conformance.running.kept_methods FOLDER     # under the release that is to be kept
"""

import json
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from packaging.version import Version
from safetensors.torch import load_file, save_file

from conformance import compat, paths
from conformance.scenarios import METHODS, Scenario, family

from . import artefacts, build, data, looking, saved

FAMILIES = ("llama", "gpt2", "bert")
_EXPECTED, _ABOUT = "expected.safetensors", "about.json"


def releases() -> tuple[str, ...]:
    """The releases that adapters are kept of, oldest first."""
    names = {path.parent.name for path in _folder().glob(f"*/{_ABOUT}")}
    return tuple(sorted(names, key=lambda name: Version(name.rpartition("-")[2])))


def scenarios() -> tuple[Scenario, ...]:
    """A scenario a recipe, wrapped, each on the family whose turn it is of those that it fits.

    A recipe that is made of adapters on the disk has none.
    """
    found = []
    for name, recipe in METHODS.items():
        fitting = [each for each in FAMILIES if recipe.fits(family(each))]
        architecture = fitting[sum(map(ord, name)) % len(fitting)]
        if not recipe.experts:
            found.append(Scenario(adapter=name, architecture=architecture))
    return tuple(found)


def kept(release: str, scenario: Scenario) -> tuple[Path, torch.Tensor]:
    """The folder of an adapter, and what the model gave for the probe.

    Raises `Unavailable` where it is not kept, where a later peft than the installed one saved it,
    and where the installed torch draws another base.
    """
    folder, about = _folder() / release, _about(release)
    if scenario.id not in about["bases"]:
        raise compat.Unavailable(f"{release} saved no {scenario.id}")
    if Version(about["peft"]) > Version(version("peft")):
        raise compat.Unavailable(f"saved by a later release, peft {about['peft']}")
    if about["bases"][scenario.id] != artefacts.digest(scenario):
        raise compat.Unavailable(f"torch {version('torch')} draws another base than the writer's")
    return folder / scenario.adapter, load_file(folder / _EXPECTED)[scenario.id]


def write(folder: Path) -> None:
    """Save an adapter of every recipe under the installed release below ``folder``."""
    own, expected, bases = folder / f"peft-{version('peft')}", {}, {}
    for scenario in scenarios():
        try:
            model = _moved(scenario)
        except compat.Unavailable:
            continue
        where = own / scenario.adapter
        model.save_pretrained(str(where))
        (where / "README.md").unlink(missing_ok=True)
        artefacts.forget_where(where / "adapter_config.json")
        bases[scenario.id] = artefacts.digest(scenario)
        expected[scenario.id] = looking.logits(model, data.probe(scenario)).contiguous()
    save_file(expected, own / _EXPECTED)
    about = {"peft": version("peft"), "torch": version("torch").partition("+")[0], "bases": bases}
    (own / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _moved(scenario: Scenario) -> Any:
    """A model whose adapter is not the one that was injected."""
    drawn = hasattr(build.adapter_config(scenario), "save_projection")
    changes = {"save_projection": False} if drawn else {}  # so that it has to be drawn again
    return build.move_adapter(build.injected(scenario, seed=1, **changes))


def load(scenario: Scenario, folder: Path) -> torch.Tensor:
    """What a fresh base with the adapter in ``folder`` gives for the probe."""
    return looking.logits(saved.load_adapter(scenario, folder), data.probe(scenario))


@cache
def _about(release: str) -> dict[str, Any]:
    path = _folder() / release / _ABOUT
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _folder() -> Path:
    return paths.fixtures() / "methods"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
