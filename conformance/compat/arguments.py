"""The arguments of a training, by today's names."""

import importlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from .available import Unavailable


def training_arguments(made: Callable[..., Any], given: Mapping[str, Any], **wanted: Any) -> Any:
    """What ``made``, a class of arguments or what takes the same, gives for today's names,
    whatever the installed release calls them.

    ``given`` are arguments of that class alone, left out where this release has none of the name.
    Raises `Unavailable` when a value has no counterpart in this release.
    """
    known = inspect.signature(made).parameters
    wanted = {**{name: value for name, value in given.items() if name in known}, **wanted}
    sampling = wanted.pop("train_sampling_strategy", None)
    if "train_sampling_strategy" in known:
        wanted["train_sampling_strategy"] = sampling or "random"
    elif sampling == "group_by_length":
        wanted["group_by_length"] = True
    elif sampling == "sequential":
        raise Unavailable("sequential sampling: TrainingArguments has no train_sampling_strategy")
    if wanted.get("save_strategy") == "best" and not _saves_best():
        raise Unavailable("TrainingArguments has no save_strategy 'best'")
    if wanted.get("lr_scheduler_type") not in (None, *_schedules()):
        raise Unavailable(f"TrainingArguments has no schedule {wanted['lr_scheduler_type']!r}")
    if wanted.get("lr_scheduler_type") == "warmup_stable_decay" and not _plans_what_is_stable():
        raise Unavailable("warmup_stable_decay wants to be told num_stable_steps by this release")
    if isinstance(wanted.get("warmup_steps"), float) and not _warms_by_share():
        raise Unavailable("warm-up as a share of all steps: warmup_steps is a whole number")
    if "include_num_input_tokens_seen" in wanted:
        wanted["include_num_input_tokens_seen"] = _counting(wanted["include_num_input_tokens_seen"])
    if wanted.get("fsdp") is True and "FSDPOption" in _declared("fsdp"):
        wanted["fsdp"] = "full_shard auto_wrap"  # the wrapping was not yet the config's to choose
    if "average_tokens_across_devices" not in known:  # each process averages over its own
        wanted.pop("average_tokens_across_devices", None)
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise Unavailable(f"TrainingArguments has no {', '.join(missing)}")
    arguments = made(**wanted)
    _tell_accelerate(arguments, wanted.get("fsdp_config") or {})
    return arguments


def _tell_accelerate(arguments: Any, config: Mapping[str, Any]) -> None:
    """Before 5.10 FSDP's kind of state dict is no matter of the config: Accelerate is told."""
    known = getattr(arguments, "fsdp_plugin_args", None) or {}
    if "state_dict_type" in config and "state_dict_type" not in known:
        os.environ["FSDP_STATE_DICT_TYPE"] = config["state_dict_type"]


def _schedules() -> set[str]:
    from transformers.trainer_utils import SchedulerType

    return {each.value for each in SchedulerType}


def _plans_what_is_stable() -> bool:
    """Since 4.50 the stable part of `warmup_stable_decay` is what the other parts leave."""
    from transformers.optimization import get_wsd_schedule

    told = inspect.signature(get_wsd_schedule).parameters["num_stable_steps"]
    return told.default is None


def _warms_by_share() -> bool:
    """Since 5.0 `warmup_steps` below 1 is a share of all steps."""
    return "float" in _declared("warmup_steps")


def _declared(name: str) -> str:
    """The type of an argument, as it is written in `TrainingArguments`."""
    from transformers import TrainingArguments

    return str(TrainingArguments.__dataclass_fields__[name].type)


def _counting(way: str) -> str | bool:
    """Releases before 4.57 count all tokens or none."""
    from transformers import TrainingArguments

    default = inspect.signature(TrainingArguments).parameters["include_num_input_tokens_seen"]
    if isinstance(default.default, str):
        return way
    if way != "all":
        raise Unavailable(f"include_num_input_tokens_seen does not know {way!r}")
    return True


def _saves_best() -> bool:
    from transformers import trainer_utils

    return hasattr(getattr(trainer_utils, "SaveStrategy", None), "BEST")


def require_optimizer(name: str, on_cpu: bool) -> None:
    """Raises `Unavailable` for an optimizer that this release, or this machine, does not have."""
    from transformers.training_args import OptimizerNames

    if name not in {each.value for each in OptimizerNames}:
        raise Unavailable(f"TrainingArguments.optim has no {name}")
    theirs = "bnb" in name or name.endswith(("_8bit", "_32bit")) or name.startswith("ademamix")
    if theirs and importlib.util.find_spec("bitsandbytes") is None:
        raise Unavailable(f"{name} needs bitsandbytes, which is not installed")
    if theirs and on_cpu and not _steps_on_a_cpu():
        raise Unavailable(f"{name}: this bitsandbytes has optimizers for GPUs alone")


def _steps_on_a_cpu() -> bool:
    """Before 0.50 the optimizers of bitsandbytes refuse tensors that are not on a GPU."""
    import bitsandbytes.functional
    import torch

    try:
        bitsandbytes.functional.is_on_gpu([torch.zeros(1)])
    except RuntimeError:
        return False
    return True


def custom_loss(function: Any) -> dict[str, Any]:
    """The Trainer's argument for a loss function of one's own, which 4.46 brought.

    Raises `Unavailable` on releases before it.
    """
    from transformers import Trainer

    if "compute_loss_func" not in inspect.signature(Trainer.__init__).parameters:
        raise Unavailable("Trainer has no compute_loss_func")
    return {"compute_loss_func": function}


def restoring_callbacks() -> dict[str, Any]:
    """The arguments that make a resume restore callbacks' states.

    Raises `Unavailable` on releases that cannot.
    """
    from transformers import TrainingArguments

    name = "restore_callback_states_from_checkpoint"
    if name not in inspect.signature(TrainingArguments).parameters:
        raise Unavailable(f"TrainingArguments has no {name}")
    return {name: True}
