"""`Scenario`: everything that decides one training, frozen, as plain data."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from .adapters import RECIPES, plain
from .families import Family, families, family
from .launches import contradiction
from .naming import named
from .quantizations import QUANTIZATIONS, Quantization
from .recipe import Recipe
from .tasks import Task
from .values import misfit


class Injection(str, Enum):
    """The two documented ways of putting an adapter into a model."""

    WRAPPED = "get_peft_model"
    NATIVE = "add_adapter"

    def __repr__(self) -> str:
        return repr(self.value)

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True, repr=False)
class Scenario:
    """One training. Fields are named after the `TrainingArguments` they become where there is one.

    ``examples`` are drawn from a seeded generator and differ in length when ``varied_lengths``;
    ``gradient_checkpointing`` is empty, ``reentrant``, ``non-reentrant`` or ``default`` (no further
    arguments); ``base_dtype`` is what the base is loaded in, ``autocast_adapter`` peft's
    ``autocast_adapter_dtype``; ``iterable`` is empty, ``sized`` or ``streamed`` (an
    `IterableDataset` with a length or without, in the order of the examples); ``neftune`` is
    ``neftune_noise_alpha`` and 0 is none; ``count_tokens`` is empty, ``all`` or ``non_padding``;
    ``extra_column`` gives each example one that the model's ``forward`` does not take; ``compiled``
    is a backend of `torch.compile` or empty;
    ``sampling`` is ``random``, ``sequential`` or ``group_by_length``; ``save`` and ``evaluate``
    are strategies (``no``, ``steps``, ``epoch``, for ``save`` also ``best``); ``max_steps`` 0
    means that ``epochs`` decides; ``wide`` doubles the base's feed-forward width, which attention
    adapters never touch, ``hidden_size`` 0 leaves it to the fixture; ``companions`` follows each
    example by one without labels that count. ``quantization`` names how the base is quantized
    when it is loaded (empty: not at all), ``compute_dtype`` and ``quant_storage`` are those of
    4-bit weights, ``device_map`` is handed to the loading when it is not empty,
    ``kbit_prepared`` calls `prepare_model_for_kbit_training`, and ``dequantized`` trains on the
    float32 values that the quantized weights stand for. ``launch`` is empty for one process, or
    what wraps the model in ``ranks`` processes: ``ddp``, ``fsdp1``, ``fsdp2``, or DeepSpeed's
    ``zero0`` to ``zero3``; ``state_dict`` is that of FSDP, ``full`` or ``sharded``, ``recompute``
    its own activation checkpointing, ``use_orig_params`` that of FSDP 1, and ``offload`` what ZeRO
    moves to the CPU: ``optimizer``, ``parameters``, ``both``.
    Raises `ValueError` for values that mean nothing.
    """

    architecture: str = "llama"
    injection: Injection = Injection.WRAPPED
    adapter: str = "lora"
    wide: bool = False
    hidden_size: int = 0
    quantization: str = ""
    compute_dtype: str = "float32"
    quant_storage: str = "uint8"
    device_map: str = ""
    kbit_prepared: bool = False
    dequantized: bool = False
    examples: int = 10
    companions: bool = False
    varied_lengths: bool = True
    batch_size: int = 2
    accumulation: int = 1
    epochs: float = 1.0
    max_steps: int = 0
    sampling: str = "random"
    drop_last: bool = False
    workers: int = 0
    persistent_workers: bool = False
    iterable: str = ""
    extra_column: bool = False
    remove_unused_columns: bool = True
    auto_batch_size: bool = False
    dropout: float = 0.0
    optimizer: str = "adamw_torch"
    learning_rate: float = 0.01
    schedule: str = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    label_smoothing: float = 0.0
    custom_loss: bool = False
    average_tokens: bool = True
    neftune: float = 0.0
    count_tokens: str = ""
    bf16: bool = False
    base_dtype: str = "float32"
    autocast_adapter: bool = True
    gradient_checkpointing: str = ""
    compiled: str = ""
    logging_steps: int = 1
    progress_bar: bool = True
    evaluate: str = "no"
    eval_steps: int = 1
    save: str = "no"
    save_steps: int = 1
    save_total_limit: int = 0
    save_only_model: bool = False
    load_best: bool = False
    greater_is_better: bool = False
    seed: int = 7
    launch: str = ""
    ranks: int = 2
    state_dict: str = "full"
    recompute: bool = False
    use_orig_params: bool = True
    offload: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "injection", Injection(self.injection))
        for field in fields(self):
            _check(not (wrong := misfit(field, getattr(self, field.name))), wrong)
        _check(self.architecture in families(), f"unknown architecture {self.architecture!r}")
        _check(self.adapter in RECIPES, f"unknown adapter recipe {self.adapter!r}")
        _check(self.sampling in SAMPLINGS, f"unknown sampling {self.sampling!r}")
        _check(
            self.gradient_checkpointing in ("", "default", "reentrant", "non-reentrant"),
            f"unknown gradient checkpointing {self.gradient_checkpointing!r}",
        )
        self._check_quantization()
        _check(self.evaluate in STRATEGIES, f"unknown evaluate strategy {self.evaluate!r}")
        _check(self.save in (*STRATEGIES, "best"), f"unknown save strategy {self.save!r}")
        about = self.family
        _check(not self.dropout or bool(about.dropout), f"{about.name} has no dropout")
        _check(not self.wide or bool(about.feed_forward), f"{about.name} has no such width")
        _check(self.iterable in ("", "sized", "streamed"), f"unknown data {self.iterable!r}")
        _check(self.iterable != "streamed" or self.max_steps > 0, "streamed data need max_steps")
        _check(self.count_tokens in COUNTS, f"unknown way to count tokens {self.count_tokens!r}")
        sized = not self.hidden_size or "hidden_size" in self.family.config
        _check(sized, f"{self.architecture} has no hidden_size to set")
        _check(not (wrong := contradiction(self)), wrong)
        _check(min(self.examples, self.batch_size, self.accumulation) > 0, "sizes are positive")

    def _check_quantization(self) -> None:
        known = self.quantization in ("", *QUANTIZATIONS)
        _check(known, f"unknown quantization {self.quantization!r}")
        floats = ("float32", "bfloat16", "float16")
        _check(self.compute_dtype in floats, f"unknown compute dtype {self.compute_dtype!r}")
        _check(self.base_dtype in floats, f"unknown dtype of the base {self.base_dtype!r}")
        storable = self.quant_storage in ("uint8", *floats)
        _check(storable, f"unknown storage dtype {self.quant_storage!r}")
        _check(bool(self.quantization) or not self.dequantized, "nothing is quantized")

    @property
    def how_quantized(self) -> Quantization:
        """How the base is quantized; `KeyError` where it is not."""
        return QUANTIZATIONS[self.quantization]

    @property
    def family(self) -> Family:
        """The architecture's data."""
        return family(self.architecture)

    @property
    def task(self) -> Task:
        """What the architecture is trained for."""
        return self.family.about_task

    @property
    def recipe(self) -> Recipe:
        """The adapter's recipe."""
        return RECIPES[self.adapter]

    @property
    def native(self) -> bool:
        """Whether the adapter is added to the Transformers model itself."""
        return self.injection is Injection.NATIVE

    @property
    def copies_modules(self) -> bool:
        """Whether the adapter trains copies of whole modules (`modules_to_save`)."""
        return bool(
            {**plain(self.family), **self.recipe.arguments(self.family)}.get("modules_to_save")
        )

    @property
    def processes(self) -> int:
        """In how many processes it trains."""
        return self.ranks if self.launch else 1

    @property
    def alone(self) -> "Scenario":
        """The same training in one process, which takes the batches of all."""
        whole = self.batch_size * self.processes
        return self.but(launch="", batch_size=whole, use_orig_params=True, offload="")

    @property
    def batches_per_epoch(self) -> int:
        """Micro-batches that one pass over the data gives each process."""
        whole, rest = divmod(self.examples, self.batch_size)
        batches = whole + (rest > 0 and not self.drop_last)
        return -(-batches // self.processes)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one epoch; a shorter last window takes its step too."""
        return -(-self.batches_per_epoch // self.accumulation)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training; none when an epoch has no whole batch."""
        if self.max_steps and self.batches_per_epoch:
            return self.max_steps
        whole = self.epochs * self.steps_per_epoch
        return int(whole) + (whole > int(whole))

    @property
    def uneven(self) -> bool:
        """Whether the examples do not fill every optimizer step of an epoch alike."""
        return self.examples % (self.batch_size * self.accumulation) > 0

    @property
    def warms_to_the_end(self) -> bool:
        """Whether the warm-up takes all the steps there are."""
        return self.warmup_steps == self.steps

    @property
    def stochastic(self) -> bool:
        """Whether the forward pass draws random numbers."""
        return self.recipe.stochastic or self.dropout > 0 or self.neftune > 0

    def but(self, **changes: Any) -> "Scenario":
        """This scenario with some fields changed."""
        return replace(self, **changes)

    def changed(self) -> dict[str, Any]:
        """The fields that differ from their defaults, in their order, as JSON values."""
        found = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = value.value if isinstance(value, Enum) else value
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Scenario":
        """The scenario that `changed` describes; raises `ValueError` for unknown fields."""
        known = {field.name for field in fields(cls)}
        _check(set(data) <= known, f"unknown scenario fields {sorted(set(data) - known)}")
        return cls(**data)

    @classmethod
    def from_repr(cls, text: str) -> "Scenario":
        """A scenario's repr back to a scenario: keywords only, and nothing is evaluated.

        Raises `ValueError` for anything else.
        """
        try:
            call = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise ValueError(f"not a scenario: {error}") from error
        _check(
            isinstance(call, ast.Call) and not call.args, "not of the form Scenario(name=value, …)"
        )
        keywords = call.keywords if isinstance(call, ast.Call) else []
        return cls.from_json({k.arg: ast.literal_eval(k.value) for k in keywords if k.arg})

    @property
    def id(self) -> str:
        """A short name made of the fields that differ from their defaults; the same everywhere."""
        head = [self.architecture, "native" if self.native else "wrapped", self.adapter]
        first = ("architecture", "injection", "adapter")
        rest = ((name, value) for name, value in self.changed().items() if name not in first)
        return ",".join(["-".join(head), *named(rest)])

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.changed().items())
        return f"Scenario({inside})"


SAMPLINGS = ("random", "sequential", "group_by_length")
STRATEGIES = ("no", "steps", "epoch")
COUNTS = ("", "all", "non_padding")


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
