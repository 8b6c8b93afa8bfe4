"""Models and adapters."""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .available import Unavailable


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


def resize_embeddings(model: Any, size: int) -> None:
    """Give the model a vocabulary of ``size``, new rows drawn as the model draws its weights, which
    is asked for since 4.46 and was the only way before.
    """
    known = inspect.signature(model.resize_token_embeddings).parameters
    asked = {"mean_resizing": False} if "mean_resizing" in known else {}
    model.resize_token_embeddings(size, **asked)


def registered_methods() -> dict[str, type]:
    """The PEFT methods that the installed peft registers: names in `PeftType` to config classes."""
    import peft.mapping

    registered = peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING.items()
    return {str(getattr(kind, "value", kind)): config for kind, config in registered}  # once texts


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


def require_refusal(config: Any) -> None:
    """Raise `Unavailable` where the installed peft injects a method that later ones refuse to, as
    its layers share what the model would be left without.
    """
    import peft.mapping

    tuner = peft.mapping.PEFT_TYPE_TO_TUNER_MAPPING.get(config.peft_type)
    documented = tuner is None or config.is_prompt_learning or config.is_adaption_prompt
    if not documented and not hasattr(tuner, "uses_shared_state"):
        raise Unavailable(f"peft {peft.__version__} injects all that has layers, shared or not")


def is_peft_model(model: Any) -> bool:
    """What the Trainer decides: its private ``_is_peft_model``, wherever this release keeps it.

    Raises `Unavailable` when the function is in neither place.
    """
    for module in ("transformers.trainer_utils", "transformers.trainer"):
        found = getattr(importlib.import_module(module), "_is_peft_model", None)
        if found is not None:
            return bool(found(model))
    raise Unavailable("transformers has no _is_peft_model")


def require_second_autocast() -> None:
    """Raises `Unavailable` where an adapter that comes second is not cast as the first one is."""
    import peft

    if "autocast_adapter_dtype" not in inspect.signature(peft.PeftModel.add_adapter).parameters:
        raise Unavailable("PeftModel.add_adapter has no autocast_adapter_dtype")


def active_adapters(model: Any) -> tuple[str, ...]:
    """The active adapters; a property of `PeftModel` and a method of Transformers models, which
    refuses where none was loaded (older releases of peft leave configs on a merged model).
    """
    found = model.active_adapters
    if not callable(found):
        return tuple(found)
    return tuple(found()) if getattr(model, "_hf_peft_config_loaded", True) else ()


def delete_adapter(model: Any, name: str | list[str]) -> None:
    """`delete_adapter`, which models of Transformers have since 4.48.

    Raises `Unavailable` on releases before it.
    """
    if not hasattr(model, "delete_adapter"):
        raise Unavailable(f"{type(model).__name__} has no delete_adapter")
    model.delete_adapter(name)


def load_adapter(model: Any, folder: Path, trainable: bool) -> None:
    """`load_adapter` of a model of Transformers, to train on or not to, which 4.48 brought.

    Raises `Unavailable` on releases before it.
    """
    if "is_trainable" not in inspect.signature(model.load_adapter).parameters:
        raise Unavailable("load_adapter of transformers has no is_trainable")
    model.load_adapter(str(folder), is_trainable=trainable)


def merge_adapter(model: Any, safe: bool) -> None:
    """`merge_adapter` of a `PeftModel`. Raises `Unavailable` where it cannot merge safely."""
    if not safe:
        model.merge_adapter()
        return
    if "safe_merge" not in inspect.signature(model.base_model.merge_adapter).parameters:
        raise Unavailable("merge_adapter has no safe_merge")
    model.merge_adapter(safe_merge=True)
