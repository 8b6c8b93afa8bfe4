"""A scenario's objects under the installed libraries: model, adapter, arguments."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from conformance import compat, subjects
from conformance.scenarios import SCHEDULE_ARGUMENTS, Scenario, family
from conformance.scenarios.adapters import plain

from . import data, placing, quantized
from .launch import wrappers
from .model_template import ModelTemplate

BASE_SEED = 11
_BASE_SEGMENTS = ("base_layer", "original_module", "token_adapter")


def base_model(scenario: Scenario) -> Any:
    """A fresh base model with the same weights every time, in training mode.

    It has ``base_dtype``, or is quantized from float32. Raises `Unavailable` when what quantizes is
    missing or broken.
    """
    if scenario.quantization:
        return placing.placed(quantized.load(scenario, lambda: plain_model(scenario)))
    return placing.placed(plain_model(scenario).to(getattr(torch, scenario.base_dtype)))


def plain_model(scenario: Scenario) -> Any:
    """The base before it is cast or quantized, float32."""
    model = _pristine(
        scenario.architecture, scenario.dropout, scenario.wide, scenario.hidden_size
    ).copy()
    for name, value in scenario.recipe.base_settings.items():
        setattr(model.config, name, value)
    return model


@lru_cache(maxsize=32)
def _pristine(architecture: str, dropout: float, wide: bool, hidden_size: int) -> ModelTemplate:
    about = family(architecture)
    config = compat.model_config(about.config["model_type"], about.folder, about.overrides)
    if hidden_size:  # made anew, since other values follow from it
        config = type(config)(**{**about.config, "hidden_size": hidden_size})
    if about.dropout:
        _set(config, about.dropout, lambda _: dropout)
    if wide:
        _set(config, about.feed_forward, lambda width: 2 * width)
    with placing.forked_generators():
        torch.manual_seed(BASE_SEED)
        model = compat.model_for(about.about_task.auto_class, config)
        _spread(model)
    return ModelTemplate(model.train())


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
    if scenario.recipe.lora:
        return {**plain(scenario.family), **own}
    if scenario.recipe.experts:
        own["adapters"] = _experts(scenario)
    return own


def adapter_config(scenario: Scenario, **changes: Any) -> Any:
    """The config object of the scenario's recipe, with these arguments in place of its own.

    Raises `Unavailable` when the installed peft has no such method or argument, or the method
    needs a distribution that is not installed.
    """
    recipe = scenario.recipe
    compat.need(recipe.needs)
    arguments = {**adapter_arguments(scenario), **changes}
    return compat.adapter_config(recipe.config, recipe.method, arguments)


def _experts(scenario: Scenario) -> dict[str, str]:
    """The saved LoRA adapters that the recipe's method starts from: names to folders."""
    folder = Path(_saved_experts(scenario.architecture, scenario.recipe.experts).name)
    return {name: str(folder / name) for name in scenario.recipe.experts}


@lru_cache(maxsize=8)
def _saved_experts(architecture: str, names: tuple[str, ...]) -> "TemporaryDirectory[str]":
    from peft import get_peft_model

    scenario, folder = Scenario(architecture=architecture), TemporaryDirectory()
    with placing.forked_generators():
        for seed, name in enumerate(names):
            torch.manual_seed(seed)
            model = get_peft_model(base_model(scenario), adapter_config(scenario))
            _draw(model, "default")
            model.save_pretrained(Path(folder.name) / name)
    return folder


def inject(scenario: Scenario, base: Any, seed: int) -> Any:
    """Put the adapter(s) into ``base`` the scenario's way; ``seed`` draws their first weights.

    Returns the model to train, the recipe's adapter active. Inactive adapters get weights of
    their own, so that they are not the identity.
    """
    with placing.forked_generators():
        torch.manual_seed(seed)
        first, *others = scenario.recipe.order
        model = _with_adapter(scenario, base, adapter_config(scenario), first)
        for name in others:
            add_adapter(scenario, model, name)
        for name in scenario.recipe.inactive:
            _draw(model, name)
        if others:
            model.set_adapter(scenario.recipe.name)
    return model.train()


def injected(scenario: Scenario, seed: int = 5, **changes: Any) -> Any:
    """A base with the recipe's adapter alone, these arguments of its config in place of its own."""
    base = base_model(scenario)
    with placing.forked_generators():
        torch.manual_seed(seed)
        config = adapter_config(scenario, **changes)
        return _with_adapter(scenario, base, config, scenario.recipe.name).train()


def _with_adapter(scenario: Scenario, base: Any, config: Any, name: str) -> Any:
    if scenario.native:
        base.add_adapter(config, adapter_name=name)
        return base
    from peft import get_peft_model

    return get_peft_model(
        base,
        config,
        adapter_name=name,
        autocast_adapter_dtype=scenario.autocast_adapter,
    )


def add_inactive(scenario: Scenario, model: Any, name: str) -> None:
    """Add another adapter of the recipe, with weights of its own; the recipe's stays active."""
    add_adapter(scenario, model, name)
    _draw(model, name)
    model.set_adapter(scenario.recipe.name)


def add_adapter(scenario: Scenario, model: Any, name: str, **changes: Any) -> None:
    """Add another adapter, the scenario's way, to a model that has one.

    It is of the recipe's config, with these arguments in place of its own.
    """
    config = adapter_config(scenario, **changes)
    if scenario.native:
        model.add_adapter(config, adapter_name=name)
    else:
        model.add_adapter(name, config)


def _draw(model: Any, adapter: str) -> None:
    """Give an adapter weights that are not the identity."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if adapter in name.split("."):
                tensor.normal_(std=0.1)


def move_adapter(model: Any, by: float = 0.02, *, copies: bool = True) -> Any:
    """Add noise of this standard deviation to all that is trained, as if it had been; the model.

    Without ``copies`` the trained copies of whole modules (`modules_to_save`) stay as they are.
    """
    with torch.no_grad(), placing.forked_generators():
        torch.manual_seed(3)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and (copies or "modules_to_save" not in name):
                parameter.add_(torch.randn_like(parameter) * by)
    return model


def base_name(name: str) -> str:
    """The plain base model's name of a tensor of the adapted one (itself for adapter tensors)."""
    name = name.removeprefix("base_model.model.")
    return ".".join(part for part in name.split(".") if part not in _BASE_SEGMENTS)


def arguments(
    scenario: Scenario, output_dir: Path, trainer_class: type | None = None, **overrides: Any
) -> Any:
    """The scenario's `TrainingArguments`, on the chosen device, reporting to nobody.

    They are of the class, and hold what else is needed, that the Trainer class's `Subject` says.
    Raises `Unavailable` when the installed release has no such argument.
    """
    compat.require_optimizer(scenario.optimizer, placing.on_cpu())
    wanted = argument_values(scenario, output_dir)
    subject = subjects.TRAINER if trainer_class is None else subjects.of(trainer_class)
    made = subjects.at(subject.arguments)
    return compat.training_arguments(made, subject.given, **{**wanted, **overrides})


def argument_values(scenario: Scenario, output_dir: Path, prepare: bool = True) -> dict[str, Any]:
    """What the scenario says of `TrainingArguments`, by today's names.

    Unless told not to, it prepares this process for the scenario's launch.
    """
    wanted: dict[str, Any] = {
        "output_dir": str(output_dir),
        "per_device_train_batch_size": scenario.batch_size,
        "per_device_eval_batch_size": data.EVALUATION_BATCH,
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
        "use_cpu": placing.on_cpu(),
        "disable_tqdm": not scenario.progress_bar,
    }
    if not scenario.task.of_its_own:
        wanted["label_names"] = list(scenario.task.labels)  # else the Trainer drops them
    wanted |= _unusual(scenario)
    wanted |= wrappers.arguments(scenario) if prepare else wrappers.asked(scenario)
    if scenario.load_best or scenario.save == "best":
        wanted["load_best_model_at_end"] = scenario.load_best
        wanted["metric_for_best_model"] = "loss"
        wanted["greater_is_better"] = scenario.greater_is_better
    return wanted


def _unusual(scenario: Scenario) -> dict[str, Any]:
    """The arguments that are passed only where a scenario asks for other than the default."""
    wanted: dict[str, Any] = {}
    if scenario.bf16:
        wanted["bf16"] = True
    if scenario.gradient_checkpointing:
        wanted["gradient_checkpointing"] = True
    if scenario.gradient_checkpointing not in ("", "default"):
        reentrant = scenario.gradient_checkpointing == "reentrant"
        wanted["gradient_checkpointing_kwargs"] = {"use_reentrant": reentrant}
    if scenario.schedule in SCHEDULE_ARGUMENTS:
        wanted["lr_scheduler_kwargs"] = dict(SCHEDULE_ARGUMENTS[scenario.schedule])
    if scenario.neftune:
        wanted["neftune_noise_alpha"] = scenario.neftune
    if scenario.count_tokens:
        wanted["include_num_input_tokens_seen"] = scenario.count_tokens
    if scenario.compiled:
        wanted |= {"torch_compile": True, "torch_compile_backend": scenario.compiled}
    if scenario.launch or not scenario.average_tokens:
        wanted["average_tokens_across_devices"] = scenario.average_tokens
    if scenario.persistent_workers:
        wanted["dataloader_persistent_workers"] = True
        wanted["dataloader_prefetch_factor"] = 1
    if not scenario.remove_unused_columns:
        wanted["remove_unused_columns"] = False
    if scenario.auto_batch_size:
        wanted["auto_find_batch_size"] = True
    return wanted
