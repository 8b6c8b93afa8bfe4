"""Chapter loop: arguments that are set by methods are those that are given at once."""

import pytest
from transformers import TrainingArguments

from conformance.judging import equal
from conformance.marks import clause

SETTERS = {  # by method: what it is told, and what the same is called where it is given at once
    "set_training": (
        {
            "learning_rate": 1e-4,
            "batch_size": 3,
            "weight_decay": 0.1,
            "num_epochs": 2,
            "max_steps": 5,
            "gradient_accumulation_steps": 4,
            "seed": 7,
        },
        {"batch_size": "per_device_train_batch_size", "num_epochs": "num_train_epochs"},
    ),
    "set_evaluate": (
        {
            "strategy": "steps",
            "steps": 5,
            "batch_size": 3,
            "accumulation_steps": 2,
            "delay": 6,
            "loss_only": True,
        },
        {
            "strategy": "eval_strategy",
            "steps": "eval_steps",
            "batch_size": "per_device_eval_batch_size",
            "accumulation_steps": "eval_accumulation_steps",
            "delay": "eval_delay",
            "loss_only": "prediction_loss_only",
        },
    ),
    "set_testing": (
        {"batch_size": 3, "loss_only": True},
        {"batch_size": "per_device_eval_batch_size", "loss_only": "prediction_loss_only"},
    ),
    "set_save": (
        {"strategy": "steps", "steps": 5, "total_limit": 2, "on_each_node": True},
        {
            "strategy": "save_strategy",
            "steps": "save_steps",
            "total_limit": "save_total_limit",
            "on_each_node": "save_on_each_node",
        },
    ),
    "set_logging": (
        {"strategy": "steps", "steps": 5, "first_step": True, "nan_inf_filter": False},
        {
            "strategy": "logging_strategy",
            "steps": "logging_steps",
            "first_step": "logging_first_step",
            "nan_inf_filter": "logging_nan_inf_filter",
        },
    ),
    "set_optimizer": (
        {
            "name": "sgd",
            "learning_rate": 1e-4,
            "weight_decay": 0.1,
            "beta1": 0.8,
            "beta2": 0.9,
            "epsilon": 1e-5,
            "args": "momentum=0.5",
        },
        {
            "name": "optim",
            "beta1": "adam_beta1",
            "beta2": "adam_beta2",
            "epsilon": "adam_epsilon",
            "args": "optim_args",
        },
    ),
    "set_lr_scheduler": (
        {"name": "cosine", "num_epochs": 2, "max_steps": 5, "warmup_steps": 3},
        {"name": "lr_scheduler_type", "num_epochs": "num_train_epochs"},
    ),
    "set_dataloader": (
        {
            "train_batch_size": 3,
            "eval_batch_size": 5,
            "drop_last": True,
            "num_workers": 2,
            "pin_memory": False,
            "persistent_workers": True,
            "prefetch_factor": 3,
            "auto_find_batch_size": True,
            "ignore_data_skip": True,
            "sampler_seed": 7,
        },
        {
            "train_batch_size": "per_device_train_batch_size",
            "eval_batch_size": "per_device_eval_batch_size",
            "drop_last": "dataloader_drop_last",
            "num_workers": "dataloader_num_workers",
            "pin_memory": "dataloader_pin_memory",
            "persistent_workers": "dataloader_persistent_workers",
            "prefetch_factor": "dataloader_prefetch_factor",
            "sampler_seed": "data_seed",
        },
    ),
}


@clause("loop.setters")
@pytest.mark.parametrize("name", SETTERS)
def test_setters(folder, name):
    """Every field is as if what the method is told had been given, under the field's own name."""
    told, names = SETTERS[name]
    given = {names.get(field, field): value for field, value in told.items()}
    expected = TrainingArguments(str(folder), report_to=[], **given).to_dict()
    got = getattr(TrainingArguments(str(folder), report_to=[]), name)(**told).to_dict()
    for field in given:
        equal(f"{field} after {name}", got[field], expected[field])
