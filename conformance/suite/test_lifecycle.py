"""Chapter lifecycle: one model's life, in any order of steps."""

import sys

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conformance.checks.lifecycle import Player, Story
from conformance.judging import equal, identical, note, refused, require
from conformance.marks import clause, crossing, generating
from conformance.scenarios import Injection, Scenario, core_families

BOTH = tuple(Injection)
NAMES = ("default", "second", "third")
RECIPES = ("lora", "modules-to-save", "dora", "rslora", "lora-dropout", "rank-pattern", "all-linear")
MERGED = ("lora", "dora", "rslora", "rank-pattern", "lora-dropout", "all-linear")
PLAIN = Scenario(save="steps", examples=6, dropout=0.1)
STEPS = 8  # rules in a story, after its beginning


def lives(recipes=RECIPES, injections=BOTH):
    """Scenarios of stories; they shrink to a plain LoRA adapter on a Llama."""
    return st.builds(
        PLAIN.but,
        architecture=st.sampled_from(("llama", *core_families())),
        injection=st.sampled_from(injections),
        adapter=st.sampled_from(recipes),
        weight_decay=st.sampled_from((0.0, 0.1)),
    )


def can(*needs):
    """A rule that may come next when each of these holds of the machine."""
    return precondition(lambda machine: all(getattr(machine, need)() for need in needs))


class Stories(RuleBasedStateMachine):
    """Writes a story: one adapter, trained for a step, then anything that can be done to a model.

    Rules only say what comes next and what is possible then; the story is played when written.
    """

    def __init__(self, play):
        super().__init__()
        self.play = play
        self.names, self.enabled, self.merged, self.saved = ["default"], True, False, False
        self.steps = [("add", {"name": "default"}), ("train", {"steps": 1})]

    @initialize(scenario=lives())
    def begin(self, scenario):
        self.scenario = scenario

    def teardown(self):
        if sys.exc_info()[0] is None:  # written to its end
            self.play(self.scenario, self.steps)

    def then(self, step, **arguments):
        self.steps.append((step, arguments))

    def new_name(self, data):
        name = data.draw(st.sampled_from([name for name in NAMES if name not in self.names]))
        self.names.append(name)
        return name

    def ready(self):
        return self.enabled and not self.merged

    def adapted(self):
        return bool(self.names)

    def several(self):
        return len(self.names) > 1

    def room(self):
        return len(self.names) < len(NAMES)

    def disabled(self):
        return not self.enabled

    def is_enabled(self):
        return self.enabled

    def is_merged(self):
        return self.merged

    def has_saved(self):
        return self.saved

    @can("ready", "adapted")
    @rule(steps=st.integers(1, 3))
    def train(self, steps):
        self.then("train", steps=steps)

    @can("ready", "room")
    @rule(data=st.data(), then_activate=st.booleans())
    def add(self, data, then_activate):
        self.then("add", name=self.new_name(data), then_activate=then_activate)

    @can("ready", "several")
    @rule(data=st.data())
    def activate(self, data):
        self.then("activate", name=data.draw(st.sampled_from(self.names)))

    @can("adapted")
    @rule(by_trainer=st.booleans())
    def save(self, by_trainer):
        self.then("save", by_trainer=by_trainer)
        self.saved = True

    @can("ready", "adapted", "room", "has_saved")
    @rule(data=st.data(), number=st.integers(0, 5), then_activate=st.booleans())
    def load(self, data, number, then_activate):
        self.then("load", name=self.new_name(data), number=number, then_activate=then_activate)

    @can("ready", "adapted")
    @rule(steps=st.integers(2, 3), after=st.integers(1, 2))
    def break_off_and_resume(self, steps, after):
        self.then("break_off_and_resume", steps=steps, after=min(after, steps - 1))

    @can("adapted")
    @rule()
    def evaluate(self):
        self.then("evaluate")

    @can("ready", "adapted")
    @rule()
    def disable(self):
        self.then("disable")
        self.enabled = False

    @can("disabled")
    @rule()
    def enable(self):
        self.then("enable")
        self.enabled = True

    @can("ready", "adapted")
    @rule(data=st.data())
    def delete(self, data):
        self.names.remove(name := data.draw(st.sampled_from(self.names)))
        self.then("delete", name=name)


class MergeStories(Stories):
    """The same for `PeftModel`, which can merge as well."""

    @initialize(scenario=lives(MERGED, (Injection.WRAPPED,)))
    def begin(self, scenario):
        self.scenario = scenario

    @can("ready", "adapted")
    @rule(safe=st.booleans())
    def merge(self, safe):
        self.then("merge", safe=safe)
        self.merged = True

    @can("is_merged")
    @rule()
    def unmerge(self):
        self.then("unmerge")
        self.merged = False

    @can("is_enabled", "adapted")
    @rule(safe=st.booleans())
    def merge_for_good(self, safe):
        self.then("merge_for_good", safe=safe)
        self.names, self.merged, self.saved = [], False, False


def tell(machine, profile, play):
    """Write and play stories: the plainest one and as many as the profile says."""
    run_state_machine_as_test(
        lambda: machine(play),
        settings=settings(max_examples=profile.examples + 1, stateful_step_count=STEPS),
    )


@clause("lifecycle.any-story")
@generating
def test_any_story(runs, profile, tolerating, folder):
    """Whatever is done in whatever order, only what is meant to change changes."""
    tell(Stories, profile, Player(runs.trainer_class, folder, tolerating))


@clause("lifecycle.merge")
@generating
def test_any_story_with_merges(runs, profile, tolerating, folder):
    """The same with merging, unmerging, and merging for good in between."""
    tell(MergeStories, profile, Player(runs.trainer_class, folder, tolerating))
