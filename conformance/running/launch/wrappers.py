"""What differs between the ways of launching: what is asked for, and what comes of it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from conformance.judging import Violation
from conformance.scenarios import Scenario

from .. import placing
from . import flat_parameters, torch_on_cpu, zero

# What each launch has to put around the model; anything else is another training than was asked.
EXPECTED: Mapping[str, str] = {
    "": "",
    "ddp": "DistributedDataParallel",
    "fsdp1": "FullyShardedDataParallel",
    "fsdp2": "FSDPModule",
    **{f"zero{stage}": "DeepSpeedEngine" for stage in range(4)},
}


class OtherLaunch(Violation):
    """A training silently ran under another wrapper, or in another world, than was asked for."""

    def __init__(self, got: object, expected: object) -> None:
        super().__init__("the launch", got, expected)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.got, self.expected)


def arguments(scenario: Scenario) -> dict[str, Any]:
    """The `TrainingArguments` that ask for the scenario's launch, processes prepared for it."""
    if scenario.launch.startswith("fsdp") and placing.on_cpu():
        _configure_on_cpu(int(scenario.launch[-1]))
    return asked(scenario)


def asked(scenario: Scenario) -> dict[str, Any]:
    """The same, with nothing prepared."""
    if scenario.launch.startswith("fsdp"):
        return _fsdp(scenario)
    return zero.arguments(scenario) if scenario.launch.startswith("zero") else {}


def wrapper(scenario: Scenario, trainer: Any) -> str:
    """The class around the trained model.

    Raises `OtherLaunch` when that is not what the scenario asks for.
    """
    model, world = trainer.model_wrapped, trainer.args.world_size
    found = {each.__name__ for each in type(model).__mro__}
    expected, processes = EXPECTED[scenario.launch], scenario.processes
    if world != processes or (expected and expected not in found):
        got = f"{type(model).__name__} in {world} processes"
        raise OtherLaunch(got, f"{expected} in {processes} processes")
    if scenario.launch == "fsdp1" and flat_parameters.is_flat(model) is scenario.use_orig_params:
        raise OtherLaunch("the other use_orig_params", scenario.use_orig_params)
    if scenario.launch.startswith("zero") and (other := zero.differs(scenario, model)):
        raise OtherLaunch(other, f"{scenario.launch} in {processes} processes")
    return expected


def trained(trainer: Any, model: torch.nn.Module) -> torch.nn.Module:
    """What to call to run the model: FSDP 1 gathers weights in its own forward pass alone."""
    return trainer.model if _is_fsdp1(getattr(trainer, "model", None)) else model


@contextlib.contextmanager
def opened(model: torch.nn.Module, gradients: bool = False) -> Iterator[None]:
    """Every parameter whole while inside, and its gradient where asked for, on all ranks."""
    if _is_fsdp1(model):
        from torch.distributed.fsdp import FullyShardedDataParallel

        with FullyShardedDataParallel.summon_full_params(
            model, writeback=False, with_grads=gradients and not flat_parameters.is_flat(model)
        ):
            yield
    elif zero.is_partitioned(model):
        with zero.opened(model):
            yield
    else:
        yield


def shown(model: torch.nn.Module) -> contextlib.AbstractContextManager[None]:
    """Modules hold their own parameters while inside, which only flat parameters prevent."""
    return opened(model) if flat_parameters.is_flat(model) else contextlib.nullcontext()


@contextlib.contextmanager
def closed_again(model: torch.nn.Module) -> Iterator[None]:
    """For a forward pass without a backward pass, after which FSDP 2 leaves what it gathered."""
    try:
        yield
    finally:
        if _is_fsdp2(model):
            for module in model.modules():
                if _is_fsdp2(module):
                    module.reshard()  # type: ignore[operator]


def whole_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all parameters and buffers, whole, under the names they have without a wrapper."""
    with opened(model):
        named = [*model.named_parameters(), *model.named_buffers()]
        return {clean(name): whole(tensor) for name, tensor in named}


def units(model: torch.nn.Module) -> dict[str, str]:
    """Each parameter to the module that FSDP shards it with; empty without FSDP."""
    kinds = ("FullyShardedDataParallel", "FSDPModule")
    wrapped = [
        name
        for name, module in model.named_modules()
        if any(each.__name__ in kinds for each in type(module).__mro__)
    ]
    if not wrapped:
        return {}
    named = (pair for given in model.named_parameters() for pair in flat_parameters.parts(*given))
    return {
        clean(name): max((w for w in wrapped if name.startswith(f"{w}." if w else "")), key=len)
        for name, _ in named
    }


def held(model: torch.nn.Module) -> dict[str, int]:
    """How many elements of each parameter this rank holds, as long as nothing is gathered."""
    named = named_parameters(model).items()
    return {name: _own(parameter).numel() for name, parameter in named}


def _own(parameter: Any) -> Any:
    """What this rank holds of a parameter: all of it, or its part under FSDP 2 or ZeRO 3."""
    return getattr(parameter, "ds_tensor", getattr(parameter, "_local_tensor", parameter))


def computed_in(model: torch.nn.Module) -> str:
    """The dtype that FSDP casts parameters to when it gathers them, or "" for their own."""
    if _is_fsdp2(model):
        policy = model._get_fsdp_state()._mp_policy  # type: ignore[operator]
    else:
        policy = getattr(model, "mixed_precision", None) if _is_fsdp1(model) else None
    dtype = getattr(policy, "param_dtype", None)
    return "" if dtype is None else str(dtype).removeprefix("torch.")


def named_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters under the names they have without a wrapper."""
    named = (pair for given in model.named_parameters() for pair in flat_parameters.parts(*given))
    return {clean(name): parameter for name, parameter in named}


def clean(name: str) -> str:
    """A tensor's name without what FSDP 1 and FSDP's activation checkpointing put between."""
    return name.replace("_fsdp_wrapped_module.", "").replace("_checkpoint_wrapped_module.", "")


def gradients(
    model: torch.nn.Module, parameters: Mapping[str, torch.nn.Parameter]
) -> dict[str, torch.Tensor]:
    """Copies of the whole gradients that the model's parameters hold, these being all of them.

    FSDP 1 shows one for each neighbour in a flat parameter while it is gathered, so what counts is
    who holds one before: of frozen parameters here, of trainable ones on any rank.
    """
    holders = [  # in the one order, since each of them may be put together by all ranks
        name
        for name, parameter in parameters.items()
        if parameter.requires_grad or parameter.grad is not None
    ]
    with opened(model, gradients=True):
        held = ((name, parameters[name].grad) for name in holders)
        return {name: whole(gradient) for name, gradient in held if gradient is not None}


def groups(
    optimizer: Any, parameters: Mapping[str, torch.nn.Parameter]
) -> list[tuple[Sequence[torch.nn.Parameter], float]]:
    """The model's ``parameters`` in each group of an optimizer, and its weight decay."""
    if zero.is_sharded(optimizer):
        return zero.groups(optimizer)
    found: list[tuple[Sequence[torch.nn.Parameter], float]] = []
    for group in optimizer.param_groups:
        members = flat_parameters.members(group["params"], parameters)
        decay = float(group["weight_decay"])
        found.append(([one for _, inside in members for one in inside], decay))
    return found


def optimizer_state(
    optimizer: Any, parameters: Mapping[str, torch.nn.Parameter]
) -> Mapping[torch.nn.Parameter, Mapping[str, Any]]:
    """What an optimizer keeps for each of ``parameters``, its own tensors or whole ones."""
    if zero.is_sharded(optimizer):
        return zero.state(optimizer)
    return flat_parameters.state(optimizer.state, parameters)


def before_steps(
    trainer: Any, optimizer: Any, reduced: Callable[[], None], stepping: Callable[..., None]
) -> None:
    """Call ``stepping`` right before an optimizer steps, which may be once for each of its groups.

    DeepSpeed steps within its backward pass: ``reduced`` is called between the two there.
    """
    engine = getattr(trainer, "model_wrapped", None)  # there may be no Trainer to ask
    if hasattr(engine, "zero_optimization_stage"):
        zero.before_steps(engine, reduced)
    torch_optimizer = optimizer.optimizer if zero.is_sharded(optimizer) else optimizer
    torch_optimizer.register_step_pre_hook(stepping)


def stepped(
    model: torch.nn.Module, parameters: Mapping[str, torch.nn.Parameter], optimizer: Any
) -> dict[str, torch.Tensor]:
    """Copies of the whole gradients by which an optimizer is about to step, strays included."""
    held = gradients(model, parameters)
    if zero.is_sharded(optimizer):
        names = {id(parameter): name for name, parameter in parameters.items()}
        held = {name: g for name, g in held.items() if not parameters[name].requires_grad}
        held |= {names[id(p)]: gradient for p, gradient in zero.stepped(optimizer).items()}
    return held


def _is_fsdp1(model: Any) -> bool:
    return "FullyShardedDataParallel" in {each.__name__ for each in type(model).__mro__}


def _is_fsdp2(model: Any) -> bool:
    return "FSDPModule" in {each.__name__ for each in type(model).__mro__}


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A detached copy of a tensor, put together where each rank holds a part of it."""
    tensor = tensor.detach()
    gather = getattr(tensor, "full_tensor", None)
    return placing.kept(gather() if gather else tensor)


def barrier() -> None:
    """Wait until all ranks are here; nothing where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def _fsdp(scenario: Scenario) -> dict[str, Any]:
    """What asks for FSDP; on a CPU with a state that is made beforehand."""
    version = int(scenario.launch[-1])
    config: dict[str, Any] = {
        "version": version,
        "state_dict_type": f"{scenario.state_dict.upper()}_STATE_DICT",
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    }
    if version == 1:
        config |= {"sync_module_states": False, "use_orig_params": scenario.use_orig_params}
    if scenario.recompute:
        config["activation_checkpointing"] = True
    wanted = {"fsdp": True, "fsdp_config": config}
    if not placing.on_cpu():
        return wanted
    return {"accelerator_config": {"use_configured_state": True}, **wanted}


def _configure_on_cpu(version: int) -> None:
    """Make Accelerate's state, without which it takes FSDP on a CPU for plain data parallelism.

    It is made beforehand, as `TrainingArguments` documents for a configured one.
    """
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    state = PartialState(cpu=True, backend="gloo")
    shared = state._shared_state
    shared["distributed_type"] = DistributedType.MULTI_GPU
    if version == 1:
        shared["device"] = torch.device("cpu")
        torch_on_cpu.copy_where_torch_only_refers()
