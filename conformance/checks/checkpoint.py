"""What a checkpoint holds, and that it loads back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from conformance.judging import close_tensors, empty, identical, note, require
from conformance.running import data, placing, saved
from conformance.running.looking import logits
from conformance.running.observation import Observation, Save, Tensors
from conformance.scenarios import Scenario

NEEDLE = 32  # consecutive bytes that cannot recur by chance: 2^-256
REORDERED = 1.2e-5  # two layers of sums of up to 100 terms, 6e-6 each; see `conformance.oracle`
MODEL_FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model-", "model-0")


def holds_no_base(observation: Observation) -> None:
    """No file of any checkpoint is one of a full model or holds the bytes of a base weight."""
    needles = list(_needles(observation))
    require(bool(needles), "base weights to look for", 0, "some")
    require(bool(observation.saves), "checkpoints", 0, "some")
    for save in observation.saves:
        full = [name for name in save.files if name.rpartition("/")[2].startswith(MODEL_FILES)]
        empty(f"files of full models in {save.folder.name}", full)
        for name in save.files:
            content = (save.folder / name).read_bytes()
            found = [base for base, needle in needles if needle in content]
            empty(f"base weights in {save.folder.name}/{name}", found)
    note(files=sum(len(save.files) for save in observation.saves), needles=len(needles))


def _needles(observation: Observation) -> Iterator[tuple[str, bytes]]:
    """Bytes from the start, middle and end of each frozen weight that has no trained copy."""
    family, recipe = observation.scenario.family, observation.scenario.recipe
    copies_head = any("modules_to_save" in name for name in observation.trainable)
    for name, tensor in observation.base_before.items():
        copied = copies_head and family.head in name.split(".")
        whole_numbers = not tensor.is_floating_point() and tensor.element_size() > 1
        if not (copied or recipe.trains_base(family, name) or whole_numbers):
            for values in _samples(tensor.flatten()):
                yield name, values.view(torch.uint8).numpy().tobytes()


def _samples(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """Slices that cannot recur by chance: padding rows and constants are no evidence.

    Floats are to differ among themselves, packed bytes to take half as many values as they are.
    """
    count = NEEDLE // values.element_size()
    least = count // 2 if values.element_size() == 1 else count
    for start in {0, len(values) // 2, len(values) - count}:
        one = values[max(0, start) : max(0, start) + count].contiguous()
        if len(one) == count and len(set(one.tolist())) >= least:
            yield one


def holds_the_adapter(observation: Observation, save: Save) -> None:
    """A checkpoint's tensors are those that peft names for the adapter, bit for bit."""
    scenario = observation.scenario
    held = saved.adapter_tensors(saved.adapter_folder(scenario, save.folder))
    expected = save.expected[scenario.recipe.name]
    identical(f"tensors in {save.folder.name}", unprefixed(held), unprefixed(expected))


def written(scenario: Scenario) -> list[str]:
    """The adapters that are saved: `PeftModel` writes all, a Transformers model the active one."""
    return [scenario.recipe.name, *(() if scenario.native else scenario.recipe.inactive)]


def holds(scenario: Scenario, save: Save, name: str) -> Tensors:
    """One of several adapters is there with its config, with its tensors, bit for bit: these."""
    where = saved.adapter_folder(scenario, save.folder, name)
    found = (where / "adapter_config.json").is_file()
    require(found, f"config of {name}", "none", str(where.name))
    held = unprefixed(saved.adapter_tensors(where))
    identical(f"adapter {name}", held, unprefixed(save.expected[name]))
    return held


def unprefixed(tensors: Tensors) -> Tensors:
    """Adapter files name tensors below `PeftModel`'s prefix, whichever way was injected."""
    return {name.removeprefix("base_model.model."): tensor for name, tensor in tensors.items()}


def load_back(observation: Observation, most: int = 2) -> None:
    """The first checkpoints, loaded onto a fresh base, are the model as it was when written."""
    require(bool(observation.saves), "checkpoints", 0, "some")
    for save in observation.saves[:most]:
        trained = observation.steps[save.step - 1].after.adapter
        assert save.logits is not None
        loads_back(observation.scenario, save.folder, trained, save.logits)


def loads_back(scenario: Scenario, folder: Path, trained: Tensors, expected: torch.Tensor) -> None:
    """The adapter of ``folder`` on a fresh base has the trained values and gives these logits.

    Where a checkpoint holds what inference needs and no more, only logits are compared; where
    ranks that training had set to zero were left out, up to the order of the sums they were in.
    """
    saved.adapter_tensors(saved.adapter_folder(scenario, folder))  # there, to begin with
    model = saved.load_adapter(scenario, folder)
    held = {n: p for n, p in model.named_parameters() if n in trained}
    if not scenario.recipe.condenses:
        identical(f"the adapter loaded from {folder.name}", held, trained)
    got, where = {"logits": _as_trained(scenario, model)}, f"logits from {folder.name}"
    expected = expected.float() if scenario.bf16 else expected  # FSDP 2 hands them out as computed
    if any(tensor.shape != trained[name].shape for name, tensor in held.items()):
        close_tensors(where, got, {"logits": expected}, REORDERED)
    else:
        identical(where, got, {"logits": expected})


def _as_trained(scenario: Scenario, model: Any) -> torch.Tensor:
    """The probe's logits as mixed precision gives them: under autocast, handed out in float32.

    FSDP 2 computes with parameters that are rounded beforehand, those of norms as well.
    """
    if scenario.bf16 and scenario.launch == "fsdp2":
        for parameter in model.parameters():
            parameter.data = parameter.data.bfloat16()
    with torch.autocast(placing.kind(), dtype=torch.bfloat16, enabled=scenario.bf16):
        got = logits(model, data.probe(scenario))
    return got.float() if scenario.bf16 else got
