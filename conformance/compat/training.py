"""What happens while a training runs."""

import inspect
import os
from typing import Any

from .available import Unavailable
from .quantizing import cannot_quantize

_TOLD = ("ACCELERATE_", "FSDP_")  # what TrainingArguments sets for Accelerate


def reset_accelerate() -> None:
    """Forget what leaks from one training to the next: Accelerate's process-wide singletons, and
    what `TrainingArguments` told them by the process environment, such as the mixed precision.
    """
    from accelerate.state import AcceleratorState, GradientState, PartialState

    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    PartialState._reset_state()
    for name in [name for name in os.environ if name.startswith(_TOLD)]:
        del os.environ[name]


def why_unavailable(error: Exception) -> str:
    """Why a training that fails so is none to judge on this stack and this machine; or "".

    Only what the libraries say themselves that they want for it, never a failure of what they do.
    """
    message = str(error)
    if "There are currently no available devices found" in message:
        return f"Accelerate wants a GPU for it: {message}"
    if reason := cannot_quantize(message):
        return reason
    if "EarlyStoppingCallback requires load_best_model_at_end" in message:
        return f"so does this release document it: {message}"
    if "Weights only load failed" in message and not _knows_weights_only():
        return (
            "transformers loads checkpoints' random states under torch 2.6 and later only with "
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 in the environment"
        )
    return ""


def _knows_weights_only() -> bool:
    """Releases that know that torch loads weights alone name the other types they need."""
    from transformers import trainer

    return hasattr(trainer, "safe_globals")


def raw_optimizer(optimizer: Any) -> Any:
    """The torch optimizer inside Accelerate's wrapper, or the optimizer itself."""
    return getattr(optimizer, "optimizer", optimizer)


def raw_scheduler(scheduler: Any) -> Any:
    """The torch scheduler inside Accelerate's wrapper, or the scheduler itself."""
    return getattr(scheduler, "scheduler", scheduler)


def seeded_samplers() -> None:
    """Raises `Unavailable` where Accelerate's samplers, which are the Trainer's, take no seed."""
    from accelerate.utils import DataLoaderConfiguration

    if "data_seed" not in DataLoaderConfiguration.__dataclass_fields__:
        raise Unavailable("accelerate's DataLoaderConfiguration has no data_seed")


def optimizer_of_ones_own(kind: type, **named: Any) -> dict[str, Any]:
    """The Trainer's argument for an optimizer class and its keyword arguments, which 4.47 brought.

    Raises `Unavailable` on releases before it.
    """
    from transformers import Trainer

    if "optimizer_cls_and_kwargs" not in inspect.signature(Trainer.__init__).parameters:
        raise Unavailable("Trainer has no optimizer_cls_and_kwargs")
    return {"optimizer_cls_and_kwargs": (kind, named)}


def processing(tokenizer: Any) -> dict[str, Any]:
    """The Trainer's argument for a tokenizer, which is `tokenizer` before 4.46."""
    from transformers import Trainer

    known = inspect.signature(Trainer.__init__).parameters
    return {"processing_class" if "processing_class" in known else "tokenizer": tokenizer}


def callback_events() -> tuple[str, ...]:
    """The events that this release's callbacks hear of."""
    from transformers import TrainerCallback

    return tuple(name for name in dir(TrainerCallback) if name.startswith("on_"))


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
