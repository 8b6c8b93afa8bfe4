"""DeepSpeed on a CPU: what is asked of it, and how what ZeRO shards is read.

Stage 0 leaves both as they are. Stages 1 and 2 give the optimizer flat partitions of the trained
parameters, stage 3 partitions every parameter of the model as well. Functions that put tensors
together are collective: all ranks have to call them, and get the same.
"""

import contextlib
import functools
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from conformance.compat import Unavailable
from conformance.compat.compiling import run_python
from conformance.running import placing
from conformance.scenarios import Scenario

_PREPARED = "CONFORMANCE_DEEPSPEED"  # set for the processes started from here: why not, or ""
_SHARDS_STATE, _SHARDS_ALL = "DeepSpeedZeroOptimizer", "DeepSpeedZeroOptimizer_Stage3"
_OFFLOADED = {
    "": (),
    "optimizer": ("optimizer",),
    "parameters": ("param",),
    "both": ("optimizer", "param"),
}
_loads: list[bool] = []  # how strictly each checkpoint was loaded in this process


def prepare(say: Callable[[str], None] = lambda _: None) -> None:
    """Compile what DeepSpeed's first start would, for this process and those it starts.

    That takes some minutes once, and no case's time. Nothing happens where DeepSpeed is missing.
    """
    if _PREPARED in os.environ or importlib.util.find_spec("deepspeed") is None:
        return
    say("DeepSpeed is prepared; the first time it compiles for some minutes …")
    os.environ[_PREPARED] = run_python("-m", "conformance.running.launch.zero")


def require() -> None:
    """Raise `Unavailable`, with the reason, unless DeepSpeed is there and works."""
    if importlib.util.find_spec("deepspeed") is None:
        raise Unavailable("deepspeed is not installed")
    prepare()
    if reason := os.environ[_PREPARED]:
        raise Unavailable(f"deepspeed cannot be used: {reason}")


def _compile() -> None:
    from deepspeed.accelerator import get_accelerator

    for builder in ("ShareMemCommBuilder", "CPUAdamBuilder"):  # the latter steps what is offloaded
        get_accelerator().create_op_builder(builder).load()


def arguments(scenario: Scenario) -> dict[str, Any]:
    """The `TrainingArguments` that ask for the scenario's stage; loads are heard from now on."""
    _hear_loads()
    stage: dict[str, Any] = {"stage": int(scenario.launch[-1])}
    if stage["stage"] == 3:
        # Tiny parameters would all stay whole, and nothing would be sharded.
        stage["stage3_param_persistence_threshold"] = 0
        stage["stage3_gather_16bit_weights_on_model_save"] = True
    stage |= {f"offload_{part}": {"device": "cpu"} for part in _OFFLOADED[scenario.offload]}
    config = {
        "zero_optimization": stage,
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": "auto"},
    }
    return {"deepspeed": config}


def differs(scenario: Scenario, engine: Any) -> str:
    """How what an engine does differs from the scenario's stage, or "" when it does that."""
    stage, optimizer = int(scenario.launch[-1]), engine.optimizer
    kind = type(optimizer).__name__ if is_sharded(optimizer) else ""
    held = bool(getattr(optimizer, "partition_gradients", False))
    got = (
        engine.zero_optimization_stage(),
        engine.dp_world_size,
        {"": 0, _SHARDS_STATE: 1 + held, _SHARDS_ALL: 3}.get(kind, -1),
        all(_is_part(p, scenario.processes) for p in engine.module.parameters()),
        _offloaded(optimizer),
    )
    wanted = (stage, scenario.processes, stage, stage == 3, _OFFLOADED[scenario.offload])
    shown = "stage {}, {} processes, sharding as stage {}, parameters partitioned: {}, offloaded {}"
    return "" if got == wanted else shown.format(*got)


def _offloaded(optimizer: Any) -> tuple[str, ...]:
    """What an optimizer of ZeRO's has moved to the CPU."""
    by_stage = (getattr(optimizer, name, False) for name in ("cpu_offload", "offload_optimizer"))
    moved = {"optimizer": any(by_stage), "param": getattr(optimizer, "offload_param", False)}
    return tuple(part for part, whether in moved.items() if whether)


def _is_part(parameter: Any, processes: int) -> bool:
    """Whether this rank holds its part of a parameter and no more."""
    whole = getattr(parameter, "ds_numel", 0)
    return whole > 1 and parameter.ds_tensor.numel() == -(-whole // processes)


def strict_loads() -> tuple[bool, ...]:
    """The ``load_module_strict`` of each checkpoint that DeepSpeed loaded in this process."""
    return tuple(_loads)


def _hear_loads() -> None:
    from deepspeed import DeepSpeedEngine

    original = DeepSpeedEngine.load_checkpoint

    @functools.wraps(original)
    def heard(engine: Any, *given: Any, load_module_strict: bool = True, **named: Any) -> Any:
        _loads.append(load_module_strict)
        return original(engine, *given, load_module_strict=load_module_strict, **named)

    DeepSpeedEngine.load_checkpoint = heard


# ---- the model ------------------------------------------------------------------------------


def is_partitioned(model: Any) -> bool:
    """Whether ZeRO 3 has partitioned the model's parameters."""
    return hasattr(next(model.parameters(), None), "ds_id")


@contextlib.contextmanager
def opened(model: torch.nn.Module) -> Iterator[None]:
    """Every parameter of a partitioned model whole while inside."""
    from deepspeed import zero

    with zero.GatheredParameters(list(model.parameters())):
        yield


# ---- the optimizer --------------------------------------------------------------------------


def is_sharded(optimizer: Any) -> bool:
    """Whether an optimizer is one of ZeRO's, around one of torch's."""
    return hasattr(optimizer, "bit16_groups") or hasattr(optimizer, "fp16_groups")


def groups(optimizer: Any) -> list[tuple[Sequence[torch.nn.Parameter], float]]:
    """The parameters of each group of a sharded optimizer, and its weight decay."""
    decays = [float(group["weight_decay"]) for group in optimizer.param_groups]
    if hasattr(optimizer, "bit16_groups"):
        return list(zip(optimizer.bit16_groups, decays, strict=True))
    belongs = optimizer.sub_group_to_group_id
    parts = enumerate(optimizer.fp16_groups)
    return [(parameters, decays[belongs[number]]) for number, parameters in parts]


def state(optimizer: Any) -> dict[torch.nn.Parameter, dict[str, Any]]:
    """The state that a sharded optimizer keeps for each parameter, tensors whole."""
    inner = optimizer.optimizer.state
    held: dict[torch.nn.Parameter, dict[str, Any]] = {}
    for flat, parameters in _flat_groups(optimizer):
        for key, value in inner.get(flat, {}).items():
            like = torch.is_tensor(value) and value.shape == flat.shape
            for parameter in parameters:
                one = _joined(parameter, value, optimizer) if like else value
                held.setdefault(parameter, {})[key] = one
    return held


def reduced(parameters: Mapping[str, torch.nn.Parameter]) -> dict[str, torch.Tensor]:
    """The gradients, averaged over ranks, that are there between the backward pass and the step."""
    from deepspeed.utils import safe_get_full_grad

    trained = {name: p for name, p in parameters.items() if p.requires_grad}
    found = {name: safe_get_full_grad(parameter) for name, parameter in trained.items()}
    return {name: placing.kept(g) for name, g in found.items() if g is not None}


def stepped(optimizer: Any) -> dict[torch.nn.Parameter, torch.Tensor]:
    """The gradients of the flat partitions that the inner optimizer is about to step."""
    now = {id(p) for group in optimizer.optimizer.param_groups for p in group["params"]}
    return {
        parameter: _joined(parameter, flat.grad, optimizer)
        for flat, parameters in _flat_groups(optimizer)
        if id(flat) in now and flat.grad is not None
        for parameter in parameters
    }


def before_steps(engine: Any, act: Callable[[], None]) -> None:
    """Call ``act`` before each step of an engine, which it takes within its backward pass."""
    original = engine.step

    def step(*given: Any, **named: Any) -> Any:
        act()
        return original(*given, **named)

    engine.step = step


def _flat_groups(
    optimizer: Any,
) -> Iterator[tuple[torch.Tensor, Sequence[torch.nn.Parameter]]]:
    """This rank's flat partition of each group, and the parameters that are in it on all ranks."""
    if hasattr(optimizer, "bit16_groups"):
        flat, parameters = optimizer.single_partition_of_fp32_groups, optimizer.bit16_groups
    else:
        flat, parameters = optimizer.fp32_partitioned_groups_flat, optimizer.fp16_groups
    yield from zip(flat, parameters, strict=True)


def _joined(parameter: torch.nn.Parameter, flat: torch.Tensor, optimizer: Any) -> torch.Tensor:
    """A parameter's part of something as long as a flat partition, whole, from all ranks."""
    from torch import distributed

    held: Any = parameter
    if hasattr(held, "ds_id"):
        _, start, size = optimizer.grad_position[optimizer.get_param_id(held)]
        own = flat.narrow(0, start, size).detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, own)
        return torch.cat(parts)[: held.ds_numel].view(held.ds_shape)
    whole = torch.zeros(held.numel(), dtype=flat.dtype)
    if held._hp_mapping is not None:
        here, there = held._hp_mapping.lp_fragment_address, held._hp_mapping.hp_fragment_address
        part = flat.narrow(0, there.start, there.numel).detach()
        whole.narrow(0, here.start, here.numel).copy_(part)
    distributed.all_reduce(whole)
    return whole.view(held.shape)


if __name__ == "__main__":
    _compile()
