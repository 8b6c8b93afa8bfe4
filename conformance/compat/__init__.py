"""The only place that knows that two versions of the libraries differ.

Everything here is a small function named for what the rest of the project wants; what a version
does not offer is an `Unavailable` with the reason, which becomes the verdict ``not-run``.
"""

from .arguments import custom_loss, require_optimizer, restoring_callbacks, training_arguments
from .available import (
    Unavailable,
    fixed_trial,
    hide_broken,
    is_installed,
    need,
    optuna,
    reporting_to_tensorboard,
    require_since,
)
from .models import (
    active_adapters,
    adapter_config,
    delete_adapter,
    is_peft_model,
    load_adapter,
    merge_adapter,
    model_config,
    model_for,
    registered_methods,
    require_refusal,
    require_second_autocast,
    resize_embeddings,
)
from .quantizing import (
    dtype_argument,
    loading_as_saved,
    quantization_config,
    quantizers,
    quantizing,
    require_loading_as_saved,
)
from .quanto import prepare_quanto
from .training import (
    allocating_callback,
    callback_events,
    counting_callback,
    optimizer_of_ones_own,
    processing,
    raw_optimizer,
    raw_scheduler,
    reset_accelerate,
    seeded_samplers,
    why_unavailable,
)

__all__ = [
    "Unavailable",
    "active_adapters",
    "adapter_config",
    "allocating_callback",
    "callback_events",
    "counting_callback",
    "custom_loss",
    "delete_adapter",
    "dtype_argument",
    "fixed_trial",
    "hide_broken",
    "is_installed",
    "is_peft_model",
    "load_adapter",
    "loading_as_saved",
    "merge_adapter",
    "model_config",
    "model_for",
    "need",
    "optimizer_of_ones_own",
    "optuna",
    "prepare_quanto",
    "processing",
    "quantization_config",
    "quantizers",
    "quantizing",
    "raw_optimizer",
    "raw_scheduler",
    "registered_methods",
    "reporting_to_tensorboard",
    "require_loading_as_saved",
    "require_optimizer",
    "require_refusal",
    "require_second_autocast",
    "require_since",
    "reset_accelerate",
    "resize_embeddings",
    "restoring_callbacks",
    "seeded_samplers",
    "training_arguments",
    "why_unavailable",
]
