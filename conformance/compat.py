"""The only place that knows that two versions of the libraries differ.

Everything here is a small function named for what the rest of the project wants; what a version
does not offer is an `Unavailable` with the reason, which becomes the verdict ``not-run``.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
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


def adapter_config(class_name: str, arguments: Mapping[str, Any]) -> Any:
    """An adapter's config. Raises `Unavailable` when the installed peft has no such argument."""
    import peft

    config_class = getattr(peft, class_name)
    missing = sorted(set(arguments) - set(inspect.signature(config_class).parameters))
    if missing:
        raise Unavailable(f"{class_name} has no {', '.join(missing)}")
    return config_class(**arguments)


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


def quantized(model: Any, folder: Path, bits: int) -> Any:
    """``model`` written to ``folder`` and loaded from there in 4 (nf4) or 8 bits.

    Raises `Unavailable` when bitsandbytes is missing or cannot quantize on this machine.
    """
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise Unavailable("bitsandbytes is not installed")
    how = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"} if bits == 4 else {}
    config = BitsAndBytesConfig(**how) if how else BitsAndBytesConfig(load_in_8bit=True)
    model.save_pretrained(folder)
    try:
        return type(model).from_pretrained(
            folder, quantization_config=config, device_map={"": "cpu"}
        )
    except (ImportError, RuntimeError, NotImplementedError) as error:
        raise Unavailable(f"bitsandbytes cannot quantize here: {error}") from error


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
