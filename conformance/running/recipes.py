"""The documentation's own examples, run statement by statement as they are written.

``examples/*.txt`` hold their text, indented anew. A reader replaces the model's path and the output
folder and brings data; `Recipe` does the same, and can have single words changed.
"""

import ast
import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from conformance import compat
from conformance.scenarios import Scenario, family

from . import build, data, placing
from .looking import logits, parameters, tensors
from .observation import Observation, Tensors
from .recorder import Recorder, event_trace, watch
from .single import Run

EXAMPLES = Path(__file__).parent / "examples"
MODEL = '"meta-llama/Llama-2-7b-hf"'


@dataclass(frozen=True, slots=True)
class Recipe:
    """One example: the file of its text, the words replaced in it, the training it describes.

    ``base`` is the folder of the checkpoint that stands for the published model.
    """

    name: str
    scenario: Scenario
    base: Path
    replaced: tuple[tuple[str, str], ...] = ()

    def but(self, word: str, by: str) -> "Recipe":
        """The example with a word replaced; raises `ValueError` when it does not occur once."""
        if self.text.count(word) != 1:
            raise ValueError(f"the example {self.name} does not hold {word!r} once")
        return replace(self, replaced=(*self.replaced, (word, by)))

    @property
    def text(self) -> str:
        """The example's text with its words replaced."""
        text = (EXAMPLES / f"{self.name}.txt").read_text(encoding="utf-8")
        for word, by in self.replaced:
            text = text.replace(word, by)
        return text

    def statements(self, output_dir: Path) -> list[tuple[str, Any]]:
        """The statements with what each assigns or calls, compiled, in order; without `train`."""
        text = self.text.replace(MODEL, repr(str(self.base)))
        text = text.replace(f'"./{self.name}-output"', repr(str(output_dir)))
        found = []
        for node in ast.parse(text).body:
            code = compile(ast.Module([node], []), f"the documented example {self.name}", "exec")
            found.append((ast.unparse(node), code))
        if not found[-1][0] == "result = trainer.train()":
            raise ValueError(f"the example {self.name} does not end in train()")
        return found[:-1]


def published(folder: Path) -> Path:
    """A tiny Llama as a user downloads one, with the same weights every time.

    Its layers are wider than elsewhere: on some processors bitsandbytes infers in 4 bits only with
    whole blocks of 64 inputs and of 32 outputs.
    """
    import transformers

    wide = {"hidden_size": 64, "intermediate_size": 64}
    config = transformers.LlamaConfig(**{**family("llama").config, **wide})
    with placing.forked_generators():
        torch.manual_seed(build.BASE_SEED)
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


class RecipeRun(Run):
    """One run of an example, observed as any other training."""

    def __init__(self, recipe: Recipe, output_dir: Path, trainer_class: type, **options: Any):
        super().__init__(recipe.scenario, output_dir, trainer_class, **options)
        self.recipe = recipe
        self.names: dict[str, Any] = {}

    def __call__(self, resume_from: str | bool | None = None) -> Observation:
        """Run and observe, with the libraries as talkative as they are when nobody hushes them.

        What they log by default decides, among others, whether there is a progress bar.
        """
        from transformers.utils import logging

        verbosity = logging.get_verbosity()
        logging.set_verbosity_warning()
        try:
            return super().__call__(resume_from)
        finally:
            logging.set_verbosity(verbosity)

    def _build(self) -> None:
        self.names = datasets(self.scenario)
        for text, code in self.recipe.statements(self.output_dir):
            with self._timed(_phase(text)):
                if text.startswith("trainer = "):
                    self._before_construction()
                exec(code, self.names)  # noqa: S102 - the documentation's text, ours to run
                if "base_before" not in self.seen and text.startswith("model = "):
                    self._loaded()
        self.trainer = self.names["trainer"]
        assert self.recorder is not None
        for callback in (event_trace(self.recorder), self.recorder, *self.callbacks):
            self.trainer.add_callback(callback)

    def _loaded(self) -> None:
        self.model = self.names["model"]
        self.seen["base_before"] = held(self.model)
        self.seen["base_logits"] = probed(self.model, self.scenario)

    def _before_construction(self) -> None:
        self.model = self.names["model"]
        known = self.seen["base_before"]
        named = (name for name, _ in (*self.model.named_parameters(), *self.model.named_buffers()))
        self.base_names = {n: build.base_name(n) for n in named if build.base_name(n) in known}
        self.seen["parameters_before"] = parameters(self.model)
        self.seen["adapters_before"] = self._adapter_tensors()
        self.recorder = Recorder(
            self.model,
            self._is_frozen,
            lambda: probed(self.model, self.scenario),
            self.interrupt_at,
        )
        self.names["Trainer"] = watch(self.trainer_class, self.recorder)

    def _look(self) -> None:
        with self._timed("look"):
            self.seen["logits"] = probed(self.model, self.scenario)
            self.phase = "final-save"
            self.trainer.save_model(str(self.output_dir / "final"))
            self.phase = "disable"
            self.seen["disabled_logits"] = self._without_adapter()

    def _without_adapter(self) -> torch.Tensor:
        if self.scenario.native:
            self.model.disable_adapters()
            return probed(self.model, self.scenario)
        with self.model.disable_adapter():
            return probed(self.model, self.scenario)

    def _base_after(self) -> Tensors:
        known = self.seen["base_before"]
        named = {build.base_name(name): tensor for name, tensor in held(self.model).items()}
        return {name: tensor for name, tensor in named.items() if name in known}


def loaded_back(recipe: Recipe, folder: Path) -> Any:
    """The example's model as it loads it, with the adapter of a checkpoint."""
    names = datasets(recipe.scenario)
    for text, code in recipe.statements(folder):
        if text.startswith("lora_config = "):
            break
        exec(code, names)  # noqa: S102 - the documentation's text, ours to run
    model = names["model"]
    if recipe.scenario.native:
        model.load_adapter(str(folder))
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder)


def datasets(scenario: Scenario) -> dict[str, Any]:
    """`train_dataset` and `eval_dataset`: tokenized examples of one length, as documented."""
    drawn = {
        "train_dataset": data.training_examples(scenario),
        "eval_dataset": data.evaluation_examples(scenario),
    }
    return {name: [_masked(one) for one in examples] for name, examples in drawn.items()}


def _masked(example: Mapping[str, Any]) -> dict[str, Any]:
    return {**example, "attention_mask": [1] * len(example["input_ids"])}


def held(model: torch.nn.Module) -> Tensors:
    """Copies of parameters and buffers, and of what a quantized layer needs besides."""
    state = {name: placing.kept(tensor) for name, tensor in model.state_dict().items()}
    return {**tensors(model), **state}


def probed(model: Any, scenario: Scenario) -> torch.Tensor:
    """Logits of the probe batch in the precision of the weights, of a copy.

    Quantized layers may repack themselves to infer, and the Trainer leaves a forward pass behind
    that casts for mixed precision.
    """
    twin = copy.deepcopy(model)
    twin.__dict__.pop("forward", None)
    return logits(twin, data.probe(scenario))


def _phase(text: str) -> str:
    if text.startswith("model.add_adapter") or "get_peft_model" in text:
        return "inject"
    return "construct" if text.startswith(("training_args", "trainer")) else "build"


def needs_bitsandbytes() -> None:
    """Raise `Unavailable` unless bitsandbytes is installed and works, and what it does not quantize
    is loaded in a dtype that a CPU trains with.
    """
    compat.quantization_config("bitsandbytes", "BitsAndBytesConfig", {"load_in_4bit": True})
    compat.require_loading_as_saved()
