"""Defects in the files of a checkpoint, in when they are written, and in reading them."""

import shutil
from typing import Any

from .registry import fault
from .seams import after_saving, frozen_weight, on_event, on_trainer, rewrite_adapter, wrap


@fault("checkpoint.adapter-only")
def a_base_weight_among_the_adapters() -> None:
    """The adapter's file holds a base weight besides, as with embeddings that count as resized."""
    from safetensors.torch import load_file, save_file

    def add(trainer: Any, folder: Any) -> None:
        for file in folder.rglob("adapter_model.safetensors"):
            weight = frozen_weight(trainer.model).detach().contiguous()
            save_file({**load_file(file), "base.weight": weight}, file, metadata={"format": "pt"})

    after_saving(add)


@fault("checkpoint.size")
def only_attention_is_written() -> None:
    """A checkpoint has the same size whatever is targeted: adapters of attention alone."""
    kept = ("q_proj", "v_proj", "query", "value", "c_attn", ".q.", ".v.")
    rewrite_adapter(lambda held: {k: v for k, v in held.items() if any(n in k for n in kept)})


@fault("checkpoint.optimizer-state-only-adapter")
def a_moment_as_wide_as_the_base() -> None:
    """The first moment of one adapter weight is written at the size of a base weight."""
    import torch

    def widen(trainer: Any, folder: Any) -> None:
        file = folder / "optimizer.pt"
        if file.exists():
            content = torch.load(file, weights_only=True)
            next(iter(content["state"].values()))["exp_avg"] = torch.zeros_like(
                frozen_weight(trainer.model)
            )
            torch.save(content, file)

    after_saving(widen)


@fault("checkpoint.cadence")
def every_evaluation_counts_as_the_best() -> None:
    """`save_strategy="best"` writes a checkpoint after an evaluation that was no better, too."""

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> bool:
        original(trainer, *rest, **named)
        return True

    on_trainer("_determine_best_metric", around)


@fault("checkpoint.round-trip")
def loading_rounds_the_adapter() -> None:
    """What is read from an adapter's file passes through bfloat16."""
    import peft.peft_model

    def around(original: Any, *rest: Any, **named: Any) -> dict[str, Any]:
        held = original(*rest, **named)
        return {name: tensor.bfloat16().to(tensor.dtype) for name, tensor in held.items()}

    wrap(peft.peft_model, "load_peft_weights", around)


@fault("checkpoint.named-and-multiple")
def all_adapters_written_as_the_first() -> None:
    """Every adapter's folder gets the first one's tensors."""

    def copy(_: Any, folder: Any) -> None:
        first = folder / "adapter_model.safetensors"
        for file in folder.glob("*/adapter_model.safetensors") if first.exists() else ():
            shutil.copy(first, file)

    after_saving(copy)


@fault("checkpoint.final-save")
def final_save_a_step_behind() -> None:
    """What `save_model()` writes at the end is the adapter before its last step."""
    before: dict[int, Any] = {}

    def keep(model: Any, state: Any) -> None:
        trained = [p for p in model.parameters() if p.requires_grad]
        before.update({id(p): p.detach().clone() for p in trained})

    def around(original: Any, trainer: Any, *rest: Any, **named: Any) -> None:
        if named.get("_internal_call"):
            original(trainer, *rest, **named)
            return
        trained = [p for p in trainer.model.parameters() if id(p) in before and p.requires_grad]
        after = [p.detach().clone() for p in trained]
        for parameter in trained:
            parameter.data.copy_(before[id(parameter)])
        original(trainer, *rest, **named)
        for parameter, value in zip(trained, after, strict=True):
            parameter.data.copy_(value)

    on_event("on_step_begin", keep)
    on_trainer("save_model", around)
