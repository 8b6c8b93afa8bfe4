"""Damaging one file of a checkpoint, in each of the ways that files get damaged."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

Damage = Callable[[Path, float], None]


def remove(path: Path, _: float) -> None:
    """Remove a file."""
    path.unlink()


def flip(path: Path, where: float) -> None:
    """Flip a bit of the byte at ``where``: the lowest at its beginning, the highest at its end."""
    data = bytearray(path.read_bytes())
    place = where * (len(data) - 1)
    data[int(place)] ^= 1 << int(place % 1 * 8)
    path.write_bytes(data)


def cut(path: Path, where: float) -> None:
    """Keep this share of a file, and at least a byte less than all."""
    data = path.read_bytes()
    path.write_bytes(data[: int(where * (len(data) - 1))])


def rename_tensors(path: Path, _: float) -> None:
    """Give every tensor of an adapter file a name that the model does not know."""
    _rewrite(path, lambda held: {f"other.{name}": tensor for name, tensor in held.items()})


def reshape_tensors(path: Path, _: float) -> None:
    """Add a row to every tensor of an adapter file."""
    _rewrite(path, lambda held: {n: torch.cat([t, t[:1]]).contiguous() for n, t in held.items()})


def narrow_tensors(path: Path, _: float) -> None:
    """Store every tensor of an adapter file, or every moment of an optimizer's, in bfloat16."""
    if path.suffix == ".safetensors":
        _rewrite(path, lambda held: {name: tensor.bfloat16() for name, tensor in held.items()})
    else:
        _rewrite_saved(path, _narrow_moments)


def widen_tensors(path: Path, _: float) -> None:
    """Store every tensor of an adapter file in float64, which holds the same values."""
    _rewrite(path, lambda held: {name: tensor.double() for name, tensor in held.items()})


def lose_a_tensor(path: Path, _: float) -> None:
    """Leave the last tensor out of an adapter file."""
    _rewrite(path, lambda held: {name: held[name] for name in sorted(held)[:-1]})


def add_a_tensor(path: Path, _: float) -> None:
    """Put a tensor into an adapter file that no model of this release has."""
    _rewrite(path, lambda held: {**held, "base_model.model.later.lora_A.weight": torch.ones(2, 2)})


def of_a_later_release(path: Path, _: float) -> None:
    """Put into a file what no release has written yet: a key, and versions of the libraries."""
    later = {"later": True, "peft_version": "99.0.0", "transformers_version": "99.0.0"}
    if path.suffix == ".json":
        _rewrite_json(path, lambda held: {**held, **later})
    else:
        _rewrite_saved(path, lambda held: {**held, **later})


def double_alpha(path: Path, _: float) -> None:
    """Have a LoRA config say twice its ``lora_alpha``."""
    _rewrite_json(path, lambda held: {**held, "lora_alpha": 2 * held["lora_alpha"]})


def other_number(path: Path, _: float) -> None:
    """Flip one bit of one number in a whole file: of a weight's or a moment's exponent, of a loss.

    A bit of the file at some place may fall on padding, or on what breaks its format.
    """
    if path.suffix == ".safetensors":
        _rewrite(path, lambda held: {**held, min(held): _flipped(held[min(held)])})
    elif path.suffix == ".json":
        _rewrite_json(path, _other_loss)
    else:
        _rewrite_saved(path, _other_moment)


def other_content(path: Path, _: float) -> None:
    """A whole file of the same format that holds something else: an empty list."""
    if path.suffix == ".json":
        path.write_text(json.dumps([]), encoding="utf-8")
    else:
        torch.save([], path)


def _rewrite(path: Path, act: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    save_file(act(load_file(path)), path, metadata={"format": "pt"})


def _rewrite_json(path: Path, act: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path.write_text(json.dumps(act(json.loads(path.read_text("utf-8")))), encoding="utf-8")


def _rewrite_saved(path: Path, act: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    # Written a moment ago by a training of ours.
    torch.save(act(torch.load(path, weights_only=False)), path)


def _narrow_moments(held: dict[str, Any]) -> dict[str, Any]:
    state = {
        number: {
            name: moment.bfloat16() if name.startswith("exp_avg") else moment
            for name, moment in moments.items()
        }
        for number, moments in held["state"].items()
    }
    return {**held, "state": state}


def _other_moment(held: dict[str, Any]) -> dict[str, Any]:
    number = min(held["state"])
    moments = held["state"][number]
    other = {**moments, "exp_avg": _flipped(moments["exp_avg"])}
    return {**held, "state": {**held["state"], number: other}}


def _other_loss(held: dict[str, Any]) -> dict[str, Any]:
    first, *others = held["log_history"]
    return {**held, "log_history": [{**first, "loss": 2 * first["loss"]}, *others]}


def _flipped(values: torch.Tensor) -> torch.Tensor:
    """The same numbers, float32, but the lowest bit of the middle one's exponent."""
    found = values.clone()
    found.view(torch.int32).view(-1)[found.numel() // 2] ^= 1 << 23
    return found


KINDS: Mapping[str, Damage] = MappingProxyType(
    {
        "missing": remove,
        "empty": lambda path, _: cut(path, 0),
        "cut": cut,
        "flipped": flip,
        "other-number": other_number,
        "other-content": other_content,
        "renamed": rename_tensors,
        "reshaped": reshape_tensors,
        "narrowed": narrow_tensors,
        "widened": widen_tensors,
        "extra-tensor": add_a_tensor,
        "later": of_a_later_release,
        "double-alpha": double_alpha,
        "lost-tensor": lose_a_tensor,
    }
)
"""The damages by their names; each takes the file, and where in it (from 0 to 1)."""
