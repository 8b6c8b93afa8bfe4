"""The only place that knows that two versions of the libraries differ.

Everything here is a small function named for what the rest of the project wants; what a version
does not offer is an `Unavailable` with the reason, which becomes the verdict ``not-run``.
"""

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from typing import Any


class Unavailable(Exception):
    """The installed libraries do not offer what a scenario asks for; the message is the reason."""


def training_arguments(**wanted: Any) -> Any:
    """`TrainingArguments` from today's names, whatever the installed release calls them.

    Raises `Unavailable` when a value has no counterpart in this release.
    """
    from transformers import TrainingArguments

    known = inspect.signature(TrainingArguments).parameters
    sampling = wanted.pop("train_sampling_strategy", None)
    if "train_sampling_strategy" in known:
        wanted["train_sampling_strategy"] = sampling or "random"
    elif sampling == "group_by_length":
        wanted["group_by_length"] = True
    elif sampling == "sequential":
        raise Unavailable("sequential sampling: TrainingArguments has no train_sampling_strategy")
    if wanted.get("save_strategy") == "best" and not _saves_best():
        raise Unavailable("TrainingArguments has no save_strategy 'best'")
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise Unavailable(f"TrainingArguments has no {', '.join(missing)}")
    return TrainingArguments(**wanted)


def _saves_best() -> bool:
    from transformers import trainer_utils

    return hasattr(getattr(trainer_utils, "SaveStrategy", None), "BEST")


def custom_loss(function: Any) -> dict[str, Any]:
    """The Trainer's argument for a loss function of one's own, which 4.46 brought.

    Raises `Unavailable` on releases before it.
    """
    from transformers import Trainer

    if "compute_loss_func" not in inspect.signature(Trainer.__init__).parameters:
        raise Unavailable("Trainer has no compute_loss_func")
    return {"compute_loss_func": function}


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
    if not _is_installed(package):
        raise Unavailable(f"{package} is not installed")
    if package == "bitsandbytes":
        native = importlib.import_module("bitsandbytes.cextension")
        if type(native.lib).__name__ == "ErrorHandlerMockBNBNativeLibrary":
            raise Unavailable("the native library of bitsandbytes does not load")


def _is_installed(package: str) -> bool:
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
