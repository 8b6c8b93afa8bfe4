"""The only place that knows that two versions of the libraries differ.

Everything here is a small function named for what the rest of the project wants; what a version
does not offer is an `Unavailable` with the reason, which becomes the verdict ``not-run``.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Unavailable(Exception):
    """The installed libraries do not offer what a scenario asks for; the message is the reason."""


def training_arguments(made: type, given: Mapping[str, Any], **wanted: Any) -> Any:
    """Arguments of class ``made`` from today's names, whatever the installed release calls them.

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
    if "include_num_input_tokens_seen" in wanted:
        wanted["include_num_input_tokens_seen"] = _counting(wanted["include_num_input_tokens_seen"])
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise Unavailable(f"TrainingArguments has no {', '.join(missing)}")
    return made(**wanted)


def _schedules() -> set[str]:
    from transformers.trainer_utils import SchedulerType

    return {each.value for each in SchedulerType}


def _counting(way: str) -> str | bool:
    """Releases before 4.57 count all tokens or none."""
    from transformers import TrainingArguments

    default = inspect.signature(TrainingArguments).parameters["include_num_input_tokens_seen"]
    if isinstance(default.default, str):
        return way
    if way != "all":
        raise Unavailable(f"include_num_input_tokens_seen does not know {way!r}")
    return True


def require_optimizer(name: str) -> None:
    """Raises `Unavailable` for an optimizer that this release, or this machine, does not have."""
    from transformers.training_args import OptimizerNames

    if name not in {each.value for each in OptimizerNames}:
        raise Unavailable(f"TrainingArguments.optim has no {name}")
    theirs = "bnb" in name or name.endswith(("_8bit", "_32bit")) or name.startswith("ademamix")
    if theirs and importlib.util.find_spec("bitsandbytes") is None:
        raise Unavailable(f"{name} needs bitsandbytes, which is not installed")


def _saves_best() -> bool:
    from transformers import trainer_utils

    return hasattr(getattr(trainer_utils, "SaveStrategy", None), "BEST")


def model_config(model_type: str, folder: Path, overrides: Mapping[str, Any]) -> Any:
    """The config in ``folder``, with some values overridden.

    Raises `Unavailable` on releases without this type of model.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    if model_type not in CONFIG_MAPPING:
        raise Unavailable(f"transformers has no {model_type}")
    return AutoConfig.from_pretrained(folder, **overrides)


def model_for(auto_class: str, config: Any) -> Any:
    """A model of ``config`` for a task, its weights drawn at random.

    Raises `Unavailable` on releases that have no such auto class.
    """
    import transformers

    factory = getattr(transformers, auto_class, None)
    if factory is None:
        raise Unavailable(f"transformers has no {auto_class}")
    return factory.from_config(config)


def custom_loss(function: Any) -> dict[str, Any]:
    """The Trainer's argument for a loss function of one's own, which 4.46 brought.

    Raises `Unavailable` on releases before it.
    """
    from transformers import Trainer

    if "compute_loss_func" not in inspect.signature(Trainer.__init__).parameters:
        raise Unavailable("Trainer has no compute_loss_func")
    return {"compute_loss_func": function}


def need(distribution: str) -> None:
    """Raise `Unavailable` when a distribution (if one is named) is not installed."""
    if not distribution:
        return
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable(f"{distribution} is not installed") from None


def registered_methods() -> dict[str, type]:
    """The PEFT methods that the installed peft registers: names in `PeftType` to config classes."""
    import peft.mapping

    return {str(kind.value): c for kind, c in peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING.items()}


def adapter_config(name: str, method: str, arguments: dict[str, Any]) -> Any:
    """A PEFT method's config; ``name`` is its class's, ``method`` its name in `PeftType`.

    Raises `Unavailable` when the installed release has no such method, or no such argument of it.
    """
    import peft

    factory = getattr(peft, name, None)
    if factory is None or method not in registered_methods():
        raise Unavailable(f"peft {peft.__version__} has no method {method}")
    missing = sorted(set(arguments) - set(inspect.signature(factory).parameters))
    if missing:
        raise Unavailable(f"{name} of peft {peft.__version__} has no {', '.join(missing)}")
    return factory(**arguments)


def reset_accelerate() -> None:
    """Forget Accelerate's process-wide singletons, which leak from one training to the next."""
    from accelerate.state import AcceleratorState, GradientState, PartialState

    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    PartialState._reset_state()


def is_peft_model(model: Any) -> bool:
    """What the Trainer decides: its private ``_is_peft_model``, wherever this release keeps it.

    Raises `Unavailable` when the function is in neither place.
    """
    for module in ("transformers.trainer_utils", "transformers.trainer"):
        found = getattr(importlib.import_module(module), "_is_peft_model", None)
        if found is not None:
            return bool(found(model))
    raise Unavailable("transformers has no _is_peft_model")


def wants_device(error: Exception) -> str:
    """Why a training that fails so cannot be had here: releases whose FSDP 2 wants a GPU; or ""."""
    asked = "There are currently no available devices found"
    return f"Accelerate wants a GPU for it: {error}" if asked in str(error) else ""


def raw_optimizer(optimizer: Any) -> Any:
    """The torch optimizer inside Accelerate's wrapper, or the optimizer itself."""
    return getattr(optimizer, "optimizer", optimizer)


def raw_scheduler(scheduler: Any) -> Any:
    """The torch scheduler inside Accelerate's wrapper, or the scheduler itself."""
    return getattr(scheduler, "scheduler", scheduler)


def quantization_config(package: str, name: str, arguments: dict[str, Any]) -> Any:
    """A config of transformers by which `from_pretrained` quantizes with ``package``.

    Raises `Unavailable` when the package is missing or broken, or transformers has no such config.
    """
    import transformers

    _require_working(package)
    made = getattr(transformers, name, None)
    if made is None:
        raise Unavailable(f"transformers has no {name}")
    if package == "torchao":
        arguments = {"quant_type": _torchao_int8(), **arguments}
    return made(**arguments)


@contextlib.contextmanager
def quantizing() -> Iterator[None]:
    """Turn what the libraries say when they cannot quantize on this machine into `Unavailable`.

    Older releases want a GPU, and some name a method that they do not implement.
    """
    try:
        yield
    except (ImportError, NotImplementedError) as error:
        raise Unavailable(f"cannot quantize here: {error}") from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("No GPU", "None of the available devices")):
            raise
        raise Unavailable(f"cannot quantize here: {error}") from error


def _torchao_int8() -> Any:
    """Weights in 8 bits, the one kind of torchao that Transformers calls trainable.

    Raises `Unavailable` when torchao has no such config.
    """
    made = getattr(importlib.import_module("torchao.quantization"), "Int8WeightOnlyConfig", None)
    if made is None:
        raise Unavailable("torchao has no Int8WeightOnlyConfig")
    return made()


def _require_working(package: str) -> None:
    """Raise `Unavailable`, with the reason, unless a package can be used."""
    if package in _hidden:
        raise Unavailable(_hidden[package])
    if not is_installed(package):
        raise Unavailable(f"{package} is not installed")
    if package == "bitsandbytes":
        native = importlib.import_module("bitsandbytes.cextension")
        if type(native.lib).__name__ == "ErrorHandlerMockBNBNativeLibrary":
            raise Unavailable("the native library of bitsandbytes does not load")


def is_installed(package: str) -> bool:
    """Whether a package is there, not whether it works."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is a part of
        return False


_hidden: dict[str, str] = {}  # packages that cannot be imported, with the reason


def hide_broken(package: str) -> None:
    """Make a package that is there but cannot be imported look as if it were missing.

    The libraries ask only whether it is there, and would fail wherever they then import it, in
    trainings too that never need it.
    """
    try:
        if importlib.util.find_spec(package) is not None:
            importlib.import_module(package)
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        _hidden[package] = f"{package} cannot be imported: {type(error).__name__}: {first_line}"
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules[package] = None  # type: ignore[assignment]


def callback_events() -> tuple[str, ...]:
    """The events that this release's callbacks hear of."""
    from transformers import TrainerCallback

    return tuple(name for name in dir(TrainerCallback) if name.startswith("on_"))


def reporting_to_tensorboard() -> dict[str, Any]:
    """The arguments that make a training write TensorBoard's event files.

    Raises `Unavailable` when tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise Unavailable("tensorboard is not installed")
    return {"report_to": ["tensorboard"]}


def optuna() -> Any:
    """The module optuna, quiet. Raises `Unavailable` when it is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise Unavailable("optuna is not installed")
    module = importlib.import_module("optuna")
    module.logging.set_verbosity(module.logging.WARNING)
    return module


def restoring_callbacks() -> dict[str, Any]:
    """The arguments that make a resume restore callbacks' states.

    Raises `Unavailable` on releases that cannot.
    """
    from transformers import TrainingArguments

    name = "restore_callback_states_from_checkpoint"
    if name not in inspect.signature(TrainingArguments).parameters:
        raise Unavailable(f"TrainingArguments has no {name}")
    return {name: True}


def counting_callback(counted: list[int]) -> Any:
    """A callback that counts optimizer steps, exports the count with checkpoints, and appends it to
    ``counted`` when training ends.
    """
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState

    class Counting(TrainerCallback, ExportableState):  # type: ignore[misc]
        def __init__(self) -> None:
            self.count = 0

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.count += 1

        def on_train_end(self, *_: Any, **__: Any) -> None:
            counted.append(self.count)

        def state(self) -> dict[str, Any]:
            return {"args": {}, "attributes": {"count": self.count}}

    return Counting()


def allocating_callback() -> Any:
    """A callback that calls the tuner's ``update_and_allocate`` between the optimizer's step and
    the zeroing of gradients, where AdaLoRA and AdaMSS document it.

    An adapter that was added with `add_adapter` has no tuner to call: nothing happens then. Raises
    `Unavailable` on releases whose callbacks do not hear of that moment.
    """
    from transformers import TrainerCallback

    if not hasattr(TrainerCallback, "on_optimizer_step"):
        raise Unavailable("callbacks have no on_optimizer_step")

    class Allocating(TrainerCallback):  # type: ignore[misc]
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
            tuner: Any = getattr(seen["model"], "base_model", None)
            if hasattr(tuner, "update_and_allocate"):
                tuner.update_and_allocate(state.global_step)

    return Allocating()
