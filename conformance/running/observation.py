"""`Observation`: everything that was seen of one training, as plain immutable data.

Tensors are detached copies on the CPU. Names of base parameters are those of the plain base
model; names of adapter tensors are those of the model that was trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from conformance.judging import Violation
from conformance.scenarios import Scenario

Tensors = Mapping[str, torch.Tensor]
Settings = Mapping[str, Mapping[str, str]]
AFTER_TRAINING = ("look", "final-save", "disable")  # phases once `train` has returned


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception the libraries raised: the phase it came in, its type's name, its message."""

    phase: str
    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type} in phase {self.phase}: {self.message}"

    @property
    def before_training(self) -> bool:
        """Whether the adapter never got into the model: there is nothing else to judge then."""
        return self.phase in ("build", "inject")


class TrainingFailed(Exception):
    """A training that had to end did not; carries its `Failure`."""

    def __init__(self, scenario: Scenario, failure: Failure) -> None:
        super().__init__(f"{failure}\nscenario: {scenario!r}")
        self.scenario = scenario
        self.failure = failure


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One forward and backward pass: what went in, the loss handed back, who held a gradient.

    ``loss`` is what `training_step` returned; ``rng`` digests torch's CPU generator before the
    pass; ``base_gradients`` and ``adapter_gradients`` name the parameters that hold one after it;
    ``training`` says that all modules were in training mode.
    """

    inputs: Tensors
    loss: float
    rng: str
    base_gradients: tuple[str, ...]
    adapter_gradients: tuple[str, ...]
    training: bool


@dataclass(frozen=True, slots=True)
class State:
    """What a checkpoint must bring back, at one moment."""

    adapter: Tensors
    optimizer: Mapping[str, Mapping[str, Any]]
    scheduler: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step; ``gradients`` are before clipping, ``clipped`` what the optimizer saw.

    ``learning_rates`` holds one value a parameter group, as used in this step; ``after`` is the
    state when it was done.
    """

    number: int
    epoch: float
    micro_batches: tuple[MicroBatch, ...]
    gradients: Tensors
    clipped: Tensors
    learning_rates: tuple[float, ...]
    after: State

    @property
    def loss(self) -> float:
        """The sum of what the micro-batches handed back: each is already scaled."""
        return sum(micro.loss for micro in self.micro_batches)


@dataclass(frozen=True, slots=True)
class Event:
    """One call of a callback, with the step it came at."""

    name: str
    step: int
    epoch: float | None


@dataclass(frozen=True, slots=True)
class Save:
    """One checkpoint as it was written: names to bytes, and what the model held at that moment.

    ``expected`` maps each adapter's name to ``get_peft_model_state_dict`` of it; ``kept`` lists the
    checkpoints on disk after the save (and its rotation); ``logits`` are those of the probe batch,
    of a training's first checkpoints alone.
    """

    step: int
    folder: Path
    files: Mapping[str, int]
    expected: Mapping[str, Tensors]
    kept: tuple[str, ...]
    logits: torch.Tensor | None
    log_history: tuple[Mapping[str, Any], ...]
    best_metric: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """One parameter group of the optimizer: names (None for a stranger), decay."""

    names: tuple[str | None, ...]
    weight_decay: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """What training may not change of a parameter besides its values."""

    requires_grad: bool
    dtype: str
    shape: tuple[int, ...]
    device: str


@dataclass(frozen=True, slots=True, repr=False)
class Observation:
    """All that was seen of one training; fields of phases that were not reached are empty.

    ``base_before`` is taken before injection, ``base_after`` when training ended; both hold
    parameters and buffers, and of quantized ones the tensors of their state below their names,
    whose plain values (block sizes, dtypes) are in ``settings_before`` and ``settings_after``;
    ``base_at_end`` and ``settings_at_end`` are taken once more when the model had been saved, of
    quantized bases only.
    ``configs_before`` and ``configs_after`` are those of all adapters, by name. Logits are of the
    fixed probe batch in evaluation mode. ``columns`` are those of the examples as
    they reached the collator. ``wrapper`` is the class of what the training put around the model,
    ``units`` maps each parameter to the module that FSDP shards it with, ``held`` to how many of
    its elements this process held when training began, ``computed_in`` is the dtype that FSDP casts
    what it gathers to; ``ranks`` holds what each process saw where there were several;
    ``strict_loads`` has the ``load_module_strict`` that DeepSpeed was called with for each
    checkpoint it loaded.
    """

    scenario: Scenario
    output_dir: Path
    failure: Failure | None = None
    output: Any = None
    base_before: Tensors = field(default_factory=dict)
    base_after: Tensors = field(default_factory=dict)
    base_at_end: Tensors = field(default_factory=dict)
    settings_before: Settings = field(default_factory=dict)
    settings_after: Settings = field(default_factory=dict)
    settings_at_end: Settings = field(default_factory=dict)
    parameters_before: Mapping[str, Parameter] = field(default_factory=dict)
    parameters_after: Mapping[str, Parameter] = field(default_factory=dict)
    configs_before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configs_after: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    adapters_before: Tensors = field(default_factory=dict)
    adapters_after: Tensors = field(default_factory=dict)
    base_logits: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    disabled_logits: torch.Tensor | None = None
    groups: tuple[Group, ...] = ()
    start: State | None = None
    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()
    saves: tuple[Save, ...] = ()
    log_history: tuple[Mapping[str, Any], ...] = ()
    best_checkpoint: str | None = None
    best_metric: float | None = None
    checkpoints: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    model_class: str = ""
    wrapper: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    computed_in: str = ""
    world_size: int = 1
    strict_loads: tuple[bool, ...] = ()
    ranks: tuple["Observation", ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Observation of {self.scenario!r}>"

    @property
    def trainable(self) -> tuple[str, ...]:
        """The names of the parameters that asked for gradients when training began."""
        return tuple(n for n, p in self.parameters_before.items() if p.requires_grad)

    @property
    def logs(self) -> tuple[Mapping[str, Any], ...]:
        """The training log entries: those that report a step's loss."""
        return tuple(entry for entry in self.log_history if "loss" in entry)

    @property
    def evaluations(self) -> tuple[Mapping[str, Any], ...]:
        """The log entries of evaluations."""
        return tuple(entry for entry in self.log_history if "eval_loss" in entry)

    @property
    def first(self) -> Step:
        """The first step that was taken; raises `Violation` when none was."""
        if not self.steps:
            raise Violation("the training", "took no step", "at least one")
        return self.steps[0]

    @property
    def first_state(self) -> State:
        """The state before the first step; raises `Violation` when training never began."""
        if self.start is None:
            raise Violation("the training", "never began", "a first state")
        return self.start

    @property
    def last_state(self) -> State:
        """The state after the last step; raises `Violation` when none was taken."""
        return self.steps[-1].after if self.steps else self.first.after

    def injected(self) -> "Observation":
        """This observation; raises `TrainingFailed` when no adapter got into the model."""
        if self.failure is not None and self.failure.before_training:
            raise TrainingFailed(self.scenario, self.failure)
        return self

    def trained(self) -> "Observation":
        """This observation; raises `TrainingFailed` when `Trainer.train` did not return."""
        if self.failure is not None and self.failure.phase not in AFTER_TRAINING:
            raise TrainingFailed(self.scenario, self.failure)
        return self

    def completed(self) -> "Observation":
        """This observation; raises `TrainingFailed` when anything failed after training."""
        if self.failure is not None:
            raise TrainingFailed(self.scenario, self.failure)
        return self

    def saved(self, step: int) -> Save:
        """The checkpoint written at ``step``; raises `Violation` when there was none."""
        for save in self.saves:
            if save.step == step:
                return save
        written = [save.step for save in self.saves]
        raise Violation(f"the checkpoint of step {step}", f"checkpoints of {written}", "written")
