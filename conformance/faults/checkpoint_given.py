"""Defects in saving what is less often asked for, and in the mode that is trained in."""

from typing import Any

from .registry import fault
from .seams import config_saved_with, on_trainer, wrap


def _state(act: Any) -> None:
    """Pass what a `PeftModel` takes for an adapter's tensors through ``act``."""
    import peft.peft_model

    def around(original: Any, *rest: Any, **named: Any) -> dict[str, Any]:
        return dict(act(original(*rest, **named)))

    wrap(peft.peft_model, "get_peft_model_state_dict", around)


@fault("checkpoint.any-config")
def biases_of_b_not_written() -> None:
    """The biases of B are left out of what is saved."""
    _state(lambda held: {k: v for k, v in held.items() if not k.endswith("lora_B.bias")})


@fault("checkpoint.any-config")
def scales_by_pattern_not_written() -> None:
    """The saved config has lost the scales that differ."""
    from peft import LoraConfig

    def around(original: Any, config: Any, *rest: Any, **named: Any) -> None:
        own, config.alpha_pattern = config.alpha_pattern, {}
        try:
            original(config, *rest, **named)
        finally:
            config.alpha_pattern = own

    wrap(LoraConfig, "save_pretrained", around)


@fault("checkpoint.any-config")
def embedding_matrices_in_half_precision() -> None:
    """The adapter of an embedding passes through float16 when it is saved."""
    _state(
        lambda held: {k: v.half().float() if "embedding" in k else v for k, v in held.items()},
    )


@fault("checkpoint.resized-embeddings")
def embeddings_never_written() -> None:
    """Embeddings are saved only where they are asked for."""
    import peft.peft_model

    def around(original: Any, *rest: Any, **named: Any) -> Any:
        return original(*rest, **{**named, "save_embedding_layers": False})

    wrap(peft.peft_model, "get_peft_model_state_dict", around)


@fault("loop.training-mode")
def mode_as_it_was_handed_over() -> None:
    """A training step leaves the model in the mode that it finds it in."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        model.train = lambda mode=True: model
        try:
            return original(trainer, model, *rest, **named)
        finally:
            del model.train

    on_trainer("training_step", around)


@fault("loop.training-mode")
def one_module_in_evaluation_mode() -> None:
    """Training steps are made with one module of the base in evaluation mode."""

    def around(original: Any, trainer: Any, model: Any, *rest: Any, **named: Any) -> Any:
        own = model.train

        def train(mode: bool = True) -> Any:
            own(mode)
            leaves = [module for module in model.modules() if not list(module.children())]
            leaves[0].train(False)
            return model

        model.train = train
        try:
            return original(trainer, model, *rest, **named)
        finally:
            del model.train

    on_trainer("training_step", around)


@fault("checkpoint.total-limit")
def everything_like_a_checkpoint_rotated() -> None:
    """Rotation takes any folder whose name ends like a checkpoint's for one."""
    import shutil
    from pathlib import Path

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        original(trainer, *rest, **named)
        if trainer.args.save_total_limit:
            for folder in Path(trainer.args.output_dir).glob("?*checkpoint-[0-9]*"):
                shutil.rmtree(folder)

    on_trainer("_save_checkpoint", around)


@fault("checkpoint.best-unfit")
def strategies_not_compared() -> None:
    """Arguments by which the best model may never be evaluated are taken."""
    from transformers import TrainingArguments

    def around(original: Any, args: Any) -> None:
        asked, args.load_best_model_at_end = args.load_best_model_at_end, False
        original(args)
        args.load_best_model_at_end = asked

    wrap(TrainingArguments, "__post_init__", around)


@fault("callbacks.added")
def removed_callbacks_stay() -> None:
    """`remove_callback` leaves a callback that was given as a class."""
    on_trainer("remove_callback", lambda original, trainer, callback: None)


@fault("callbacks.added")
def added_callbacks_unheard() -> None:
    """A callback that is added by its class is not made."""

    def around(original: Any, trainer: Any, callback: Any) -> None:
        if not isinstance(callback, type) or callback.__module__.startswith("transformers"):
            original(trainer, callback)

    on_trainer("add_callback", around)


@fault("checkpoint.any-config")
def copies_by_a_part_of_the_name() -> None:
    """The name of a module to save is looked for anywhere in the names of what was saved, so that
    matrices of the adapter are taken for its copy's, and not loaded.

    (https://github.com/huggingface/peft/pull/2334).
    """
    import peft.peft_model

    def around(original: Any, model: Any, state: Any, *rest: Any, **named: Any) -> Any:
        saved = getattr(model, "modules_to_save", None) or ()
        taken = {name for name in state for word in saved if word in name and "lora_" in name}
        loaded = {name: tensor for name, tensor in state.items() if name not in taken}
        return original(model, loaded, *rest, **named)

    wrap(peft.peft_model, "set_peft_model_state_dict", around)


@fault("checkpoint.named-and-multiple")
def adapters_of_like_names_together() -> None:
    """With an adapter those are saved whose names begin with its own.

    (https://github.com/huggingface/peft/pull/3282).
    """
    from peft.utils import save_and_load

    def around(original: Any, state: Any, unwanted: list[str]) -> Any:
        return original(state, [name for name in unwanted if not name.startswith("default")])

    wrap(save_and_load, "_filter_state_dict_for_adapter_name", around)


@fault("checkpoint.names-its-base")
def embeddings_cut_to_the_tokenizer() -> None:
    """A base that embeds more tokens than the saved tokenizer knows is cut to those.

    (https://github.com/huggingface/peft/pull/2427).
    """
    from pathlib import Path

    from peft import PeftModel
    from transformers import AutoTokenizer

    original: Any = PeftModel.from_pretrained

    def loaded(cls: Any, base: Any, path: str, *rest: Any, **named: Any) -> Any:
        if (Path(path) / "tokenizer_config.json").exists():
            base.resize_token_embeddings(len(AutoTokenizer.from_pretrained(path)))
        return original.__func__(cls, base, path, *rest, **named)

    setattr(PeftModel, "from_pretrained", classmethod(loaded))  # noqa: B010


@fault("checkpoint.any-config")
def replication_of_layers_not_saved() -> None:
    """The saved config does not say which layers were replicated."""
    config_saved_with(layer_replication=None)


@fault("checkpoint.named-and-multiple")
def entries_of_another_adapter_saved() -> None:
    """Of a method that keeps its adapters in one dictionary, those of others are saved as well."""
    from peft.utils import save_and_load

    def around(original: Any, state: Any, unwanted: list[str]) -> Any:
        entries = tuple(f".{name}" for name in unwanted)
        held = {name: tensor for name, tensor in state.items() if name.endswith(entries)}
        return {**original(state, unwanted), **held}

    wrap(save_and_load, "_filter_state_dict_for_adapter_name", around)


@fault("checkpoint.total-limit")
def oldest_by_number() -> None:
    """The checkpoint with the lowest number is taken for the oldest, of whichever training it is.

    (https://github.com/huggingface/transformers/pull/37260).
    """
    from transformers import trainer

    def around(original: Any, *rest: Any, **named: Any) -> None:
        original(*rest, **{**named, "use_mtime": False})

    wrap(trainer, "rotate_checkpoints", around)


@fault("checkpoint.named-and-multiple")
def rank_of_the_first_for_both() -> None:
    """Every adapter is written with the rank of the first one's config."""
    config_saved_with(r=4)


@fault("checkpoint.names-its-base")
def config_keeps_the_base_it_had() -> None:
    """A config that was used on another base before goes on naming that one."""
    from transformers import PreTrainedModel

    def around(original: Any, model: Any, config: Any, *rest: Any, **named: Any) -> None:
        before = config.base_model_name_or_path
        original(model, config, *rest, **named)
        config.base_model_name_or_path = before or config.base_model_name_or_path

    wrap(PreTrainedModel, "add_adapter", around)
