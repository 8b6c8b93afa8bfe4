"""Stories of one model's life, written by a Hypothesis state machine, which also shortens them.

A story is a scenario and a list of steps: names of what `conformance.checks.lifecycle.Story` can
do, with their arguments.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from .families import core_families
from .scenario import Injection, Scenario

Rule = TypeVar("Rule", bound=Callable[..., Any])
Step = tuple[str, dict[str, Any]]
Play = Callable[[Scenario], Callable[[Step], None]]

PLAIN = Scenario(save="steps", examples=6, dropout=0.1)
NAMES = ("default", "second", "third")
MERGED = ("lora", "dora", "rslora", "rank-pattern", "lora-dropout", "all-linear")
ADAPTERS = ("lora", "modules-to-save", *MERGED[1:])


def lives(
    adapters: Sequence[str] = ADAPTERS, injections: Sequence[Injection] = tuple(Injection)
) -> st.SearchStrategy[Scenario]:
    """How a story's model is made and trained: the plainest is a LoRA adapter on a Llama."""
    return st.builds(
        PLAIN.but,
        architecture=st.sampled_from(("llama", *core_families())),
        injection=st.sampled_from(injections),
        adapter=st.sampled_from(adapters),
        weight_decay=st.sampled_from((0.0, 0.1)),
    )


def by_experts(scenario: Scenario) -> bool:
    """Whether the adapter reaches parameters that hold all experts of a layer at once."""
    return (scenario.architecture, scenario.adapter) == ("mixtral", "all-linear")


def when(holds: Callable[[Any], object]) -> Callable[[Rule], Rule]:
    """The rule may come next when this holds of the machine."""
    return precondition(lambda machine: bool(holds(machine)))


class Stories(RuleBasedStateMachine):
    """Writes a story: one adapter, trained for a step, then anything that can be done to a model.

    Rules say what comes next and what is possible then, whatever comes of it: ``play`` is handed
    the scenario and gives back what takes the steps. What Transformers leaves active after adding
    or loading is not for stories, so there `set_adapter` follows at once.
    """

    def __init__(self, play: Play) -> None:
        super().__init__()
        self.play = play
        self.scenario = PLAIN
        self.names = [NAMES[0]]
        self.enabled, self.merged, self.saved = True, False, False
        self.take: Callable[[Step], None] = lambda _: None

    @initialize(scenario=lives())
    def begin(self, scenario: Scenario) -> None:
        """Choose the scenario."""
        self.start(scenario)

    def start(self, scenario: Scenario) -> None:
        """The beginning of every story."""
        self.scenario = scenario
        self.take = self.play(scenario)
        self.then("add", name=NAMES[0])
        self.then("train", steps=1)

    def then(self, step: str, **arguments: Any) -> None:
        """Write one step."""
        self.take((step, arguments))

    @property
    def ready(self) -> bool:
        """Whether there is an adapter that works as usual."""
        return bool(self.names) and self.enabled and not self.merged

    @property
    def unused(self) -> list[str]:
        """Names for one more adapter; none where it could not be added."""
        free = self.enabled and not self.merged
        return [name for name in NAMES if free and name not in self.names]

    @when(lambda self: self.ready)
    @rule(steps=st.integers(1, 3))
    def train(self, steps: int) -> None:
        """Train the active adapter."""
        self.then("train", steps=steps)

    @when(lambda self: self.unused)
    @rule(data=st.data(), then_activate=st.booleans())
    def add(self, data: st.DataObject, then_activate: bool) -> None:
        """Add an adapter."""
        name = data.draw(st.sampled_from(self.unused))
        self.then("add", name=name, then_activate=then_activate or self.scenario.native)
        self.names.append(name)

    @when(lambda self: self.ready and len(self.names) > 1)
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        """Switch to an adapter, perhaps the active one."""
        self.then("activate", name=data.draw(st.sampled_from(self.names)))

    @when(lambda self: self.names)
    @rule(by_trainer=st.booleans())
    def save(self, by_trainer: bool) -> None:
        """Save."""
        self.then("save", by_trainer=by_trainer)
        self.saved = True

    @when(lambda self: self.ready and self.unused and self.saved)
    @rule(data=st.data(), number=st.integers(0, 5), then_activate=st.booleans())
    def load(self, data: st.DataObject, number: int, then_activate: bool) -> None:
        """Load one of the saved adapters under a new name."""
        name, activate = data.draw(st.sampled_from(self.unused)), self.scenario.native
        self.then("load", name=name, number=number, then_activate=then_activate or activate)
        self.names.append(name)

    @when(lambda self: self.ready)
    @rule(steps=st.integers(2, 3), after=st.integers(1, 2))
    def break_off_and_resume(self, steps: int, after: int) -> None:
        """Train, broken off after a checkpoint and resumed in fresh objects."""
        self.then("break_off_and_resume", steps=steps, after=min(after, steps - 1))

    @when(lambda self: self.names)
    @rule()
    def evaluate(self) -> None:
        """Evaluate."""
        self.then("evaluate")

    @when(lambda self: self.ready)
    @rule()
    def disable(self) -> None:
        """Disable the adapters."""
        self.then("disable")
        self.enabled = False

    @when(lambda self: not self.enabled)
    @rule()
    def enable(self) -> None:
        """Enable them again."""
        self.then("enable")
        self.enabled = True

    @when(lambda self: self.ready)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete an adapter."""
        name = data.draw(st.sampled_from(self.names))
        self.then("delete", name=name)
        self.names.remove(name)


class MergeStories(Stories):
    """The same for `PeftModel`, which can merge as well."""

    @initialize(
        scenario=lives(MERGED, (Injection.WRAPPED,)).filter(lambda one: not by_experts(one))
    )
    def begin(self, scenario: Scenario) -> None:
        """Choose the scenario."""
        self.start(scenario)

    @when(lambda self: self.ready)
    @rule(safe=st.booleans())
    def merge(self, safe: bool) -> None:
        """Merge the active adapter and keep it."""
        self.then("merge", safe=safe)
        self.merged = True

    @when(lambda self: self.merged)
    @rule()
    def unmerge(self) -> None:
        """Undo it."""
        self.then("unmerge")
        self.merged = False

    @when(lambda self: self.names and self.enabled)
    @rule(safe=st.booleans())
    def merge_for_good(self, safe: bool) -> None:
        """Merge and go on with the plain model."""
        self.then("merge_for_good", safe=safe)
        self.names, self.merged, self.saved = [], False, False
