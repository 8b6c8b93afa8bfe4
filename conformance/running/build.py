"""A scenario's objects under the installed libraries: model, adapter, arguments."""

import copy
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from conformance import compat
from conformance.scenarios import Scenario, family
from conformance.scenarios.adapters import plain

BASE_SEED = 11
_BASE_SEGMENTS = ("base_layer", "original_module", "token_adapter")


def base_model(scenario: Scenario) -> Any:
    """A fresh base model with the same weights every time, in training mode, float32."""
    return copy.deepcopy(_pristine(scenario.architecture, scenario.dropout, scenario.wide))


@lru_cache(maxsize=32)
def _pristine(architecture: str, dropout: float, wide: bool) -> Any:
    about = family(architecture)
    config = compat.model_config(about.config["model_type"], about.folder, about.overrides)
    if about.dropout:
        _set(config, about.dropout, lambda _: dropout)
    if wide:
        _set(config, about.feed_forward, lambda width: 2 * width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(BASE_SEED)
        model = compat.model_for(about.about_task.auto_class, config)
        _spread(model)
    return model.train()


def _set(config: Any, path: str, value: Callable[[Any], Any]) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        config = getattr(config, parent)
    setattr(config, name, value(getattr(config, name)))


def _spread(model: torch.nn.Module) -> None:
    """Move biases and norms off their constant start, so that a change in any of them shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)


def adapter_arguments(scenario: Scenario) -> dict[str, Any]:
    """The keyword arguments of the scenario's adapter config."""
    own = scenario.recipe.arguments(scenario.family)
    return {**plain(scenario.family), **own} if scenario.recipe.lora else own


def adapter_config(scenario: Scenario) -> Any:
    """The config object of the scenario's recipe."""
    return compat.adapter_config(scenario.recipe.config, adapter_arguments(scenario))


def inject(scenario: Scenario, base: Any, seed: int) -> Any:
    """Put the adapter(s) into ``base`` the scenario's way; ``seed`` draws their first weights.

    Returns the model to train, the recipe's adapter active. Inactive adapters get weights of
    their own, so that they are not the identity.
    """
    from peft import get_peft_model

    recipe = scenario.recipe
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if scenario.native:
            base.add_adapter(adapter_config(scenario), adapter_name=recipe.name)
            model = base
        else:
            model = get_peft_model(base, adapter_config(scenario), adapter_name=recipe.name)
        for name in recipe.inactive:
            _add_inactive(scenario, model, name)
    return model.train()


def _add_inactive(scenario: Scenario, model: Any, name: str) -> None:
    if scenario.native:
        model.add_adapter(adapter_config(scenario), adapter_name=name)
    else:
        model.add_adapter(name, adapter_config(scenario))
    with torch.no_grad():
        for tensor_name, tensor in model.named_parameters():
            if name in tensor_name.split("."):
                tensor.normal_(std=0.1)
    model.set_adapter(scenario.recipe.name)


def base_name(name: str) -> str:
    """The plain base model's name of a tensor of the adapted one (itself for adapter tensors)."""
    name = name.removeprefix("base_model.model.")
    return ".".join(part for part in name.split(".") if part not in _BASE_SEGMENTS)


def arguments(scenario: Scenario, output_dir: Path, **overrides: Any) -> Any:
    """The scenario's `TrainingArguments`, on the CPU, reporting to nobody.

    Raises `Unavailable` when the installed release has no such argument.
    """
    wanted: dict[str, Any] = {
        "output_dir": str(output_dir),
        "per_device_train_batch_size": scenario.batch_size,
        "per_device_eval_batch_size": 2,
        "gradient_accumulation_steps": scenario.accumulation,
        "num_train_epochs": scenario.epochs,
        "max_steps": scenario.max_steps or -1,
        "train_sampling_strategy": scenario.sampling,
        "dataloader_drop_last": scenario.drop_last,
        "dataloader_num_workers": scenario.workers,
        "optim": scenario.optimizer,
        "learning_rate": scenario.learning_rate,
        "lr_scheduler_type": scenario.schedule,
        "warmup_steps": scenario.warmup_steps,
        "weight_decay": scenario.weight_decay,
        "max_grad_norm": scenario.max_grad_norm,
        "label_smoothing_factor": scenario.label_smoothing,
        "logging_steps": scenario.logging_steps,
        "eval_strategy": scenario.evaluate,
        "eval_steps": scenario.eval_steps if scenario.evaluate == "steps" else None,
        "save_strategy": scenario.save,
        "save_steps": scenario.save_steps,
        "save_total_limit": scenario.save_total_limit or None,
        "save_only_model": scenario.save_only_model,
        "seed": scenario.seed,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": not scenario.progress_bar,
    }
    if not scenario.task.of_its_own:
        wanted["label_names"] = list(scenario.task.labels)  # else the Trainer drops them
    if scenario.bf16:
        wanted["bf16"] = True
    if scenario.gradient_checkpointing:
        reentrant = scenario.gradient_checkpointing == "reentrant"
        wanted["gradient_checkpointing"] = True
        wanted["gradient_checkpointing_kwargs"] = {"use_reentrant": reentrant}
    if scenario.load_best or scenario.save == "best":
        wanted["load_best_model_at_end"] = scenario.load_best
        wanted["metric_for_best_model"] = "loss"
        wanted["greater_is_better"] = scenario.greater_is_better
    return compat.training_arguments(**{**wanted, **overrides})
