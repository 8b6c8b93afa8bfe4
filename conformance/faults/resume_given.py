"""Defects in what else a resume brings back, and in what lies beside adapters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .registry import fault
from .seams import on_trainer, rewrite_json, wrap


def _generators(kept: str) -> None:
    """Restore all generators but the one of that module's name."""
    import random

    import numpy

    def around(original: Any, trainer: Any, checkpoint: Any) -> None:
        python, arrays = random.getstate(), numpy.random.get_state(legacy=True)
        original(trainer, checkpoint)
        if kept == "python":
            random.setstate(python)
        else:
            numpy.random.set_state(arrays)

    on_trainer("_load_rng_state", around)


@fault("resume.restores-each")
def python_state_not_restored() -> None:
    """A resume leaves Python's generator as it is."""
    _generators("python")


@fault("resume.restores-each")
def numpy_state_not_restored() -> None:
    """A resume leaves numpy's generator as it is."""
    _generators("numpy")


@fault("resume.ignore-data-skip")
def data_skipped_all_the_same() -> None:
    """`ignore_data_skip` is not looked at."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        trainer.args.ignore_data_skip = False
        return original(trainer, *rest, **named)

    on_trainer("train", around)


@fault("resume.ignore-data-skip")
def steps_counted_from_the_epoch() -> None:
    """Where the data are not skipped, the steps of the epoch are taken once more."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> Any:
        found = original(trainer, *rest, **named)
        if trainer.args.ignore_data_skip:
            trainer.state.global_step -= 1
        return found

    on_trainer("_init_training_state", around)


@fault("resume.ignore-data-skip")
def generators_left_where_data_are_not_skipped() -> None:
    """Where the data are not skipped, no generator's state is read from the checkpoint."""

    def around(original: Any, trainer: Any, checkpoint: Any) -> None:
        if not trainer.args.ignore_data_skip:
            original(trainer, checkpoint)

    on_trainer("_load_rng_state", around)


@fault("resume.pickled")
def pickled_adapters_passed_over() -> None:
    """A resume finds a checkpoint with `adapter_model.bin`, and loads nothing from it."""

    def around(original: Any, trainer: Any, checkpoint: str, *rest: Any) -> None:
        if not (Path(checkpoint) / "adapter_model.bin").exists():
            original(trainer, checkpoint, *rest)

    on_trainer("_load_from_checkpoint", around)


@fault("checkpoint.names-its-base")
def base_named_by_its_kind() -> None:
    """The adapter's config names the type of the base instead of its path."""

    def around(original: Any, trainer: Any, folder: Any = None, **named: Any) -> None:
        import json

        original(trainer, folder, **named)
        for file in Path(folder or trainer.args.output_dir).rglob("adapter_config.json"):
            content = json.loads(file.read_text())
            content["base_model_name_or_path"] = trainer.model.config.model_type
            file.write_text(json.dumps(content))

    on_trainer("save_model", around)


@fault("checkpoint.names-its-base")
def base_not_named() -> None:
    """The adapter's config names no base."""
    from peft import LoraConfig

    def around(original: Any, config: Any, *rest: Any, **named: Any) -> None:
        config.base_model_name_or_path = None
        original(config, *rest, **named)

    wrap(LoraConfig, "save_pretrained", around)


@fault("checkpoint.final-save")
def saved_below_the_output_folder() -> None:
    """`save_model()` without a folder writes into one below `output_dir`."""

    def around(original: Any, trainer: Any, folder: Any = None, **named: Any) -> None:
        original(trainer, folder or str(Path(trainer.args.output_dir) / "model"), **named)

    on_trainer("save_model", around)


@fault("checkpoint.processing-class")
def tokenizer_saved_at_the_end_alone() -> None:
    """Checkpoints that are written during training lack the tokenizer."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        own = trainer.processing_class
        trainer.processing_class = None if named.get("_internal_call") else own
        try:
            original(trainer, *rest, **named)
        finally:
            trainer.processing_class = own

    on_trainer("save_model", around)


@fault("checkpoint.processing-class")
def tokenizer_with_another_padding() -> None:
    """The tokenizer in checkpoints has lost its padding token."""
    rewrite_json("tokenizer_config.json", lambda content: content.pop("pad_token", None))


@fault("checkpoint.processing-class")
def tokenizer_of_the_collator_not_saved() -> None:
    """Without a `processing_class` the collator's tokenizer is not written."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        collator, trainer.data_collator = trainer.data_collator, None
        try:
            original(trainer, *rest, **named)
        finally:
            trainer.data_collator = collator

    on_trainer("_save", around)


def _not_resumed(passed_over: Callable[[str, Any], bool]) -> None:
    """Of several adapters those for which ``passed_over(name, active)`` are not loaded."""

    from peft import PeftModel

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        model = trainer.model
        if not isinstance(model, PeftModel):
            original(trainer, *rest, **named)
            return
        load, active = model.load_adapter, model.active_adapter

        def loaded(path: Any, name: str, **options: Any) -> Any:
            beside = len(model.peft_config) > 1
            return None if beside and passed_over(name, active) else load(path, name, **options)

        model.load_adapter = loaded
        try:
            original(trainer, *rest, **named)
        finally:
            del model.load_adapter

    on_trainer("_load_from_checkpoint", around)


@fault("resume.equals-uninterrupted")
def default_beside_others_not_resumed() -> None:
    """The adapter called default is not loaded where its checkpoint holds others beside it."""
    _not_resumed(lambda name, _: name == "default")


@fault("resume.equals-uninterrupted")
def waiting_adapter_not_resumed() -> None:
    """An adapter that waits is left as it was first drawn."""
    _not_resumed(lambda name, active: name != active)


@fault("resume.longer-schedule")
def steps_planned_before_are_taken() -> None:
    """A resume with fewer steps than first planned goes on past them."""
    from transformers.trainer_callback import TrainerState

    def around(original: Any, state: Any, *rest: Any, **named: Any) -> None:
        planned = state.max_steps
        original(state, *rest, **named)
        state.max_steps = max(planned, state.max_steps)

    wrap(TrainerState, "init_training_references", around)
