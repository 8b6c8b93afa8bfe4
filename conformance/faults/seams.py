"""Where faults are patched in. Each function changes the library for the rest of the process."""

from collections.abc import Callable
from typing import Any


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace ``owner.name`` by ``around(original, *arguments, **named)``."""
    original = getattr(owner, name)

    def replaced(*arguments: Any, **named: Any) -> Any:
        return around(original, *arguments, **named)

    replaced.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(owner, name, replaced)


def on_trainer(name: str, around: Callable[..., Any]) -> None:
    """`wrap` a method of the Trainer."""
    from transformers import Trainer

    wrap(Trainer, name, around)


def on_event(event: str, act: Callable[[Any, Any], None]) -> None:
    """Call ``act(model, state)`` just before the callbacks hear of ``event``."""
    from transformers.trainer_callback import CallbackHandler

    def around(original: Any, handler: Any, name: str, *rest: Any, **named: Any) -> Any:
        if name == event:
            act(handler.model, rest[1])
        return original(handler, name, *rest, **named)

    wrap(CallbackHandler, "call_event", around)


def after_training(act: Callable[[Any, Any], Any]) -> None:
    """Replace what `train` returns by ``act(trainer, output)``."""

    def around(original: Any, trainer: Any, *arguments: Any, **named: Any) -> Any:
        return act(trainer, original(trainer, *arguments, **named))

    on_trainer("train", around)


def after_saving(act: Callable[[Any, Any], None]) -> None:
    """Call ``act(trainer, folder)`` when a model has been saved into ``folder``, and all else of
    a checkpoint with it.
    """
    from pathlib import Path

    def around(original: Any, trainer: Any, *arguments: Any, **named: Any) -> Any:
        result = original(trainer, *arguments, **named)
        act(trainer, Path(trainer.args.output_dir) / f"checkpoint-{trainer.state.global_step}")
        return result

    on_trainer("_save_checkpoint", around)


def rewrite_adapter(act: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Pass the tensors of every adapter file through ``act`` when it has been written."""
    from safetensors.torch import load_file, save_file

    def rewritten(_: Any, folder: Any) -> None:
        for file in folder.rglob("adapter_model.safetensors"):
            save_file(act(load_file(file)), file, metadata={"format": "pt"})

    after_saving(rewritten)


def rewrite_json(pattern: str, act: Callable[[dict[str, Any]], None]) -> None:
    """Let ``act`` change every JSON file of that name when a checkpoint has been written."""
    import json

    def rewritten(_: Any, folder: Any) -> None:
        for file in folder.rglob(pattern):
            content = json.loads(file.read_text())
            act(content)
            file.write_text(json.dumps(content))

    after_saving(rewritten)


def config_saved_with(**values: Any) -> None:
    """Save every adapter's config with these values instead of its own."""
    from peft.config import PeftConfigMixin

    def around(original: Any, config: Any, *rest: Any, **named: Any) -> Any:
        own = {name: getattr(config, name) for name in values if hasattr(config, name)}
        try:
            vars(config).update({name: values[name] for name in own})
            return original(config, *rest, **named)
        finally:
            vars(config).update(own)

    wrap(PeftConfigMixin, "save_pretrained", around)


def frozen_weight(model: Any) -> Any:
    """A weight of the base that nothing may train: the last matrix that asks for no gradient."""
    found = [
        parameter
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad and parameter.dim() == 2 and "lora_" not in name
    ]
    return found[-1]


def adapter_weight(model: Any, mark: str = "lora_B") -> Any:
    """The first trainable adapter weight whose name holds ``mark``."""
    return next(p for n, p in model.named_parameters() if mark in n and p.requires_grad)
