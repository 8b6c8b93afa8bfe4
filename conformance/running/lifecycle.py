"""One model's life: adapters come and go, are trained, saved, loaded, switched, merged.

`Life` acts as a user does, by the documented calls of either way of injecting; it judges nothing.
What a moment looks like is a `Look`; chapter lifecycle compares looks.
"""

import contextlib
import copy
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from conformance import compat
from conformance.scenarios import Scenario

from . import build, data, looking, placing, saved
from .failures import training_failed
from .observation import Tensors
from .recorder import Interrupted
from .trainers import trainer

FIRST_SEED, OTHER_SEED = 1000, 5000  # of the adapters' first weights; what is resumed gets others


@dataclass(frozen=True, slots=True)
class Look:
    """A model at one moment: copies of its tensors, who is active, what asks for gradients.

    ``base`` is named as in the plain base model, ``adapters`` maps each adapter's name to its
    tensors, ``strangers`` names those of neither; ``trainable`` names what asks for gradients;
    ``logits`` are those of the probe batch.
    """

    base: Tensors
    adapters: Mapping[str, Tensors]
    strangers: tuple[str, ...]
    active: tuple[str, ...]
    trainable: frozenset[str]
    logits: torch.Tensor


@dataclass(frozen=True, slots=True)
class Saved:
    """An adapter on disk, and how the model was when it was written."""

    folder: Path
    adapter: str
    tensors: Tensors

    def named(self, name: str) -> Tensors:
        """Its tensors under the names that they have as adapter ``name``."""
        return {
            ".".join(name if part == self.adapter else part for part in key.split(".")): tensor
            for key, tensor in self.tensors.items()
        }


class Life:
    """A model and what is done to it; ``model`` is replaced by a resume and by a merge for good.

    ``scenario`` says the architecture, the injection, the recipe of every adapter and how is
    trained; ``base`` holds the values of the base that fresh objects start from. `train` and
    `resume` raise `TrainingFailed`; all else raises what the libraries raise.
    """

    def __init__(self, scenario: Scenario, trainer_class: type, folder: Path) -> None:
        self.scenario = scenario
        self.trainer_class = trainer_class
        self.folder = folder
        self.model: Any = build.base_model(scenario)
        self.base_names = frozenset(looking.tensors(self.model))
        self.base = looking.tensors(self.model)
        self.probe = data.probe(scenario)
        self._born = 0
        self._disabled = contextlib.ExitStack()

    # ---- adapters come and go --------------------------------------------------------------

    def add(self, name: str) -> None:
        """A fresh adapter of that name; the first one goes into the plain base model."""
        self._born += 1
        self._add(name, FIRST_SEED + self._born)

    def _add(self, name: str, seed: int) -> None:
        from peft import PeftModel, get_peft_model

        with placing.forked_generators():
            torch.manual_seed(seed)
            if self.scenario.native or isinstance(self.model, PeftModel):
                build.add_adapter(self.scenario, self.model, name)
            else:
                config = build.adapter_config(self.scenario)
                self.model = get_peft_model(self.model, config, adapter_name=name)

    def activate(self, name: str) -> None:
        """`set_adapter`."""
        self.model.set_adapter(name)

    def load(self, name: str, one: Saved) -> None:
        """`load_adapter` from disk, under a name of its own, not to be trained."""
        where = saved.adapter_folder(self.scenario, one.folder, one.adapter)
        self.model.load_adapter(str(where), adapter_name=name)

    def delete(self, name: str) -> None:
        """`delete_adapter`. Raises `Unavailable` on releases whose models have none."""
        compat.delete_adapter(self.model, name)

    def disable(self) -> None:
        """`disable_adapters`, or entering `disable_adapter`."""
        if self.scenario.native:
            self.model.disable_adapters()
        else:
            self._disabled.enter_context(self.model.disable_adapter())

    def enable(self) -> None:
        """`enable_adapters`, or leaving `disable_adapter`."""
        if self.scenario.native:
            self.model.enable_adapters()
        else:
            self._disabled.close()

    # ---- training --------------------------------------------------------------------------

    def train(self, steps: int) -> None:
        """That many optimizer steps with the Trainer."""
        self._train(self.model, steps, self.new_folder())

    def evaluate(self) -> float:
        """`Trainer.evaluate`; the loss it reports."""
        trainer = self._trainer(self.model, self.new_folder(), max_steps=1)
        return float(trainer.evaluate()["eval_loss"])

    def break_off(self, steps: int, after: int) -> tuple[Path, "Life"]:
        """Train a copy of the model and break off after a checkpoint: its folder, and the copy."""
        other = self.copied()
        folder = self.new_folder()
        with contextlib.suppress(Interrupted):
            other._train(other.model, steps, folder, callbacks=[_stopping(after)])
        return folder, other

    def resume(self, steps: int, folder: Path, names: Iterable[str], active: str) -> "Life":
        """Fresh objects with adapters of these names, trained on from the latest checkpoint.

        The adapters that are not active get their values back as a user brings them back; the
        active one has other weights until the checkpoint is loaded.
        """
        other = self.fresh()
        for number, name in enumerate(names):
            other._add(name, OTHER_SEED + number)
        other.activate(active)
        other.put_back(
            {
                n: t
                for name, held in self.look().adapters.items()
                if name != active
                for n, t in held.items()
            }
        )
        other._train(other.model, steps, folder, resume=True)
        return other

    def _train(
        self, model: Any, steps: int, folder: Path, resume: bool = False, callbacks: Any = ()
    ) -> None:
        trainer = self._trainer(model, folder, max_steps=steps, callbacks=callbacks)
        given = {"resume_from_checkpoint": True} if resume else {}
        with training_failed(self.scenario):
            trainer.train(**given)

    def _trainer(self, model: Any, folder: Path, callbacks: Any = (), **overrides: Any) -> Any:
        compat.reset_accelerate()
        evaluated = data.evaluation_examples(self.scenario)
        return trainer(
            *(self.trainer_class, self.scenario, folder),
            model=model,
            evaluated=evaluated,
            extra_arguments=overrides,
            callbacks=list(callbacks),
        )

    # ---- on disk ---------------------------------------------------------------------------

    def save(self, by_trainer: bool) -> Path:
        """`Trainer.save_model`, or the model's own `save_pretrained`; the folder."""
        folder = self.new_folder()
        if by_trainer:
            self._trainer(self.model, folder).save_model(str(folder))
        else:
            self.model.save_pretrained(str(folder))
        return folder

    def loaded_back(self, one: Saved) -> "Life":
        """A fresh base with the saved adapter, as another process would load it."""
        other = self.fresh()
        where = str(saved.adapter_folder(self.scenario, one.folder, one.adapter))
        if self.scenario.native:
            other.model.load_adapter(where, adapter_name=one.adapter)
        else:
            from peft import PeftModel

            other.model = PeftModel.from_pretrained(other.model, where, adapter_name=one.adapter)
        return other

    # ---- merging (`PeftModel` alone documents it) ------------------------------------------

    def merge(self, safe: bool) -> None:
        """`merge_adapter`: the adapter stays in memory."""
        compat.merge_adapter(self.model, safe)

    def unmerge(self) -> None:
        """`unmerge_adapter`."""
        self.model.unmerge_adapter()

    def merge_for_good(self, safe: bool) -> None:
        """`merge_and_unload`: the model is a plain one again, and what it is is the base now."""
        self.model = self.model.merge_and_unload(safe_merge=safe)
        self.base = looking.tensors(self.model)

    # ---- looking ---------------------------------------------------------------------------

    def look(self) -> Look:
        """The model as it is, untouched by looking."""
        held = looking.tensors(self.model)
        bases = {n: build.base_name(n) for n in held if build.base_name(n) in self.base_names}
        names = tuple(getattr(self.model, "peft_config", {}))
        owned = {n for n in held if n in bases or set(names) & set(n.split("."))}
        return Look(
            base={bases[n]: t for n, t in held.items() if n in bases},
            adapters={
                name: {n: t for n, t in held.items() if n not in bases and name in n.split(".")}
                for name in names
            },
            strangers=tuple(n for n in held if n not in owned),
            active=compat.active_adapters(self.model) if names else (),
            trainable=frozenset(n for n, p in self.model.named_parameters() if p.requires_grad),
            logits=looking.logits(self.model, self.probe),
        )

    def base_logits(self) -> torch.Tensor:
        """The logits of the base alone, from fresh objects."""
        return looking.logits(self.fresh().model, self.probe)

    def put_back(self, values: Tensors) -> None:
        """Overwrite these tensors of the model."""
        held = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in values.items():
                held[name].copy_(value)

    def fresh(self) -> "Life":
        """New objects: the base as it is in this life, without any adapter."""
        other = Life(self.scenario, self.trainer_class, self.folder)
        other.base = self.base
        named = {**dict(other.model.named_parameters()), **dict(other.model.named_buffers())}
        with torch.no_grad():
            for name, value in self.base.items():
                named[name].copy_(value)
        return other

    def copied(self) -> "Life":
        """A life of its own that begins with a copy of the model."""
        other = self.fresh()
        other.model = copy.deepcopy(self.model)
        return other

    def new_folder(self) -> Path:
        """A folder that was not there before."""
        return Path(tempfile.mkdtemp(dir=self.folder))


def _stopping(after: int) -> Any:
    from transformers import TrainerCallback

    class Stopping(TrainerCallback):  # type: ignore[misc]
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == after:
                raise Interrupted

    return Stopping()
