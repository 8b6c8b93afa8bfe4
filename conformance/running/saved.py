"""Reading what a training wrote: adapters as a user loads them, files as they lie on disk."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from conformance.judging import require
from conformance.scenarios import Scenario

from . import build
from .observation import Tensors

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
SHARDS = "pytorch_model_fsdp_0"


def adapter_folder(scenario: Scenario, folder: Path, adapter: str | None = None) -> Path:
    """Where an adapter's loader looks: `PeftModel` keeps adapters not called "default" in folders
    of their names, `PreTrainedModel` writes the active one at the top, as FSDP does its shards.
    """
    name = adapter or scenario.recipe.name
    at_the_top = scenario.native or name == "default" or (folder / SHARDS).is_dir()
    return folder if at_the_top else folder / name


def adapter_tensors(folder: Path) -> Tensors:
    """The tensors of the adapter file in a folder, or of the shards that FSDP writes in its stead.

    Raises `Violation` without either.
    """
    if (folder / SHARDS).is_dir():
        return _joined(folder / SHARDS)
    safe, pickled = (folder / name for name in WEIGHTS)
    if safe.exists():
        from safetensors.torch import load_file

        return dict(load_file(safe))
    require(pickled.exists(), f"the adapter file in {folder.name}", "none", WEIGHTS[0])
    return dict(torch.load(pickled, map_location="cpu", weights_only=True))


def rejoined(folder: Path) -> Tensors:
    """What DeepSpeed's own `zero_to_fp32` puts together from the shards in a checkpoint."""
    from deepspeed.utils import zero_to_fp32

    return dict(zero_to_fp32.get_fp32_state_dict_from_zero_checkpoint(str(folder)))


def shards(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """What DeepSpeed pickled of a ``kind`` (``model``, ``optim``), by the names of the files."""
    found = sorted(folder.glob(f"global_step*/*{kind}_states.pt"))
    # Written a moment ago by a process of ours.
    return {path.name: torch.load(path, weights_only=False) for path in found}


def _joined(folder: Path) -> Tensors:
    """The tensors of a distributed checkpoint, whole."""
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    with tempfile.TemporaryDirectory() as scratch:
        joined = Path(scratch) / "joined.pt"
        dcp_to_torch_save(folder, joined)
        held = torch.load(joined, map_location="cpu", weights_only=True)
    return dict(held.get("model", held))


def load_adapter(scenario: Scenario, folder: Path) -> Any:
    """A fresh base with the trained adapter of ``folder`` loaded the scenario's way."""
    base = build.base_model(scenario)
    where = adapter_folder(scenario, folder)
    if scenario.native:
        base.load_adapter(str(where), adapter_name=scenario.recipe.name)
        return base
    from peft import PeftModel

    return PeftModel.from_pretrained(
        base,
        where,
        adapter_name=scenario.recipe.name,
        autocast_adapter_dtype=scenario.autocast_adapter,
    )


def saved_config(scenario: Scenario, folder: Path) -> dict[str, Any]:
    """The adapter config in ``folder``, as peft reads it."""
    from peft import PeftConfig

    return dict(PeftConfig.from_pretrained(adapter_folder(scenario, folder)).to_dict())


def trainer_state(folder: Path) -> dict[str, Any]:
    """``trainer_state.json`` of a checkpoint."""
    return dict(json.loads((folder / "trainer_state.json").read_text(encoding="utf-8")))


def optimizer_state(folder: Path) -> dict[str, Any]:
    """``optimizer.pt`` of a checkpoint: ``state`` by parameter number, ``param_groups``."""
    return dict(torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True))
