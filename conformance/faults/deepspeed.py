"""Defects that show only under DeepSpeed; they are of the chapter distributed."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .distributed import _rank
from .registry import fault
from .seams import after_saving, on_event, on_trainer, wrap

deepspeed = partial(fault, needs="deepspeed")


def _on_engine(name: str, around: Callable[..., Any]) -> None:
    from deepspeed import DeepSpeedEngine

    wrap(DeepSpeedEngine, name, around)


def _adapter(model: Any) -> list[Any]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _rewrite(pattern: str, act: Callable[[dict[str, Any]], None]) -> None:
    """Let ``act`` change each of this rank's pickled files of that name in a checkpoint."""
    import torch

    def rewritten(_: Any, folder: Path) -> None:
        for file in folder.glob(f"global_step*/{pattern.format(rank=_rank())}"):
            # Written a moment ago by a process of ours.
            held = torch.load(file, weights_only=False)
            act(held)
            torch.save(held, file)

    after_saving(rewritten)


@deepspeed("distributed.same-contract")
def one_stage_less_than_asked_for() -> None:
    """DeepSpeed is told a stage of ZeRO one below the one that was asked for."""
    import deepspeed as package

    def around(original: Any, *given: Any, **named: Any) -> Any:
        asked: Any = named.get("config") or named.get("config_params")
        asked["zero_optimization"]["stage"] = max(0, asked["zero_optimization"]["stage"] - 1)
        return original(*given, **named)

    wrap(package, "initialize", around)


@deepspeed("deepspeed.non-strict-load")
def adapter_loaded_strictly() -> None:
    """DeepSpeed is told to load a checkpoint of a PEFT model strictly."""
    import transformers.trainer as trainer_module

    def around(original: Any, engine: Any, path: Any, **_: Any) -> Any:
        return original(engine, path, load_module_strict=True)

    wrap(trainer_module, "deepspeed_load_checkpoint", around)


@deepspeed("deepspeed.non-strict-load")
def sharded_moments_not_loaded() -> None:
    """A resume under DeepSpeed leaves the optimizer as it was made."""

    def around(original: Any, engine: Any, *given: Any, **named: Any) -> Any:
        return original(engine, *given, **{**named, "load_optimizer_states": False})

    _on_engine("load_checkpoint", around)


@deepspeed("deepspeed.non-strict-load")
def best_not_loaded_under_deepspeed() -> None:
    """The best checkpoint is found and, under DeepSpeed, not loaded."""

    def around(original: Any, trainer: Any) -> Any:
        return None if trainer.is_deepspeed_enabled else original(trainer)

    on_trainer("_load_best_model", around)


def _keep_frozen() -> None:
    def around(original: Any, engine: Any, *given: Any, **named: Any) -> Any:
        return original(engine, *given, **{**named, "exclude_frozen_parameters": False})

    _on_engine("save_checkpoint", around)


@deepspeed("deepspeed.frozen-excluded")
def frozen_kept_in_shards() -> None:
    """DeepSpeed is not told to leave frozen parameters out."""
    _keep_frozen()


@deepspeed("deepspeed.frozen-excluded")
def frozen_shapes_kept() -> None:
    """The shards of the second rank still list the shape of one frozen parameter."""

    def around(state: dict[str, Any]) -> None:
        if _rank() == 1:
            state["frozen_param_shapes"] = {"model.norm.weight": (16,)}

    _rewrite("zero_pp_rank_{rank}_mp_rank_00_model_states.pt", around)


@deepspeed("distributed.same-contract")
def base_in_deepspeed_checkpoint() -> None:
    """DeepSpeed's part of a checkpoint holds the base, as long as one process could load it."""
    _keep_frozen()


@deepspeed("deepspeed.shards-rejoin")
def shard_of_second_rank_off() -> None:
    """One value of the second rank's float32 partition is 1e-6 off on disk."""

    def nudge(held: dict[str, Any]) -> None:
        state = held["optimizer_state_dict"]
        name = next(key for key in state if "fp32" in key and "groups" in key)
        if _rank() == 1:
            state[name][0].data.view(-1)[:1].add_(1e-6)

    _rewrite("*zero_pp_rank_{rank}_mp_rank_00_optim_states.pt", nudge)


@deepspeed("deepspeed.shards-rejoin")
def names_of_shards_swapped() -> None:
    """Two parameters of the same shape are listed in each other's place."""

    def swap(held: dict[str, Any]) -> None:
        for number, shapes in enumerate(held["param_shapes"] or ()):
            names = list(shapes)
            twin = next(n for n in names[1:] if shapes[n] == shapes[names[0]])
            other = {names[0]: twin, twin: names[0]}
            named = ((other.get(name, name), shape) for name, shape in shapes.items())
            held["param_shapes"][number] = type(shapes)(named)

    _rewrite("*model_states.pt", lambda held: swap(held) if _rank() == 0 else None)


@deepspeed("distributed.same-contract")
def part_of_a_base_weight_moves() -> None:
    """Under ZeRO 3 one value of the first rank's part of a base weight moves by 1e-6."""

    def nudge(model: Any, state: Any) -> None:
        frozen = [p for p in model.parameters() if hasattr(p, "ds_tensor") and not p.requires_grad]
        if frozen and _rank() == 0 and state.global_step == state.max_steps:
            frozen[-1].ds_tensor.data.view(-1)[:1].add_(1e-6)

    on_event("on_step_end", nudge)


@deepspeed("distributed.same-contract")
def consolidated_adapter_off() -> None:
    """Under ZeRO 3 one value of the adapter is 1e-6 off in what is gathered for its file."""

    def around(original: Any, engine: Any, *given: Any, **named: Any) -> Any:
        state = original(engine, *given, **named)
        for name in [name for name in state or () if "lora_B" in name][:1]:
            state[name] = state[name].clone()
            state[name].view(-1)[:1].add_(1e-6)
        return state

    _on_engine("_zero3_consolidated_16bit_state_dict", around)


@deepspeed("distributed.equals-single")
def divided_by_accumulation_twice() -> None:
    """DeepSpeed divides the loss by the accumulation steps, as the Trainer has done."""

    def around(original: Any, engine: Any, *given: Any, **named: Any) -> Any:
        return original(engine, *given, **{**named, "scale_wrt_gas": True})

    _on_engine("backward", around)


@deepspeed("distributed.equals-single")
def mean_over_ranks_slightly_large() -> None:
    """The mean of the gradients over the ranks is 0.1 % too large."""

    def around(original: Any, engine: Any, loss: Any, *given: Any, **named: Any) -> Any:
        return original(engine, loss * 1.001, *given, **named)

    _on_engine("backward", around)


@deepspeed("distributed.ranks-agree")
def second_rank_keeps_its_partition() -> None:
    """Under ZeRO 1 and 2 one gathered weight of the second rank is 1e-7 off after a step."""

    def drift(model: Any, _: Any) -> None:
        held = [p for p in _adapter(model) if hasattr(p, "_hp_mapping")]
        if held and _rank() == 1:
            held[0].data.view(-1)[:1].add_(1e-7)

    on_event("on_step_end", drift)


@deepspeed("distributed.written-once")
def second_rank_writes_anothers_shard() -> None:
    """The second rank writes its shard under the first one's name as well."""

    def copied(_: Any, folder: Path) -> None:
        for file in folder.glob("global_step*/zero_pp_rank_1_*_optim_states.pt"):
            if _rank() == 1:
                shutil.copy(file, file.with_name(file.name.replace("rank_1", "rank_0", 1)))

    after_saving(copied)
