"""Chapter lifecycle: one model's life, step by step."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from conformance.checks.lifecycle import Story
from conformance.checks.playing import Player
from conformance.judging import empty, equal, refused
from conformance.marks import clause, crossing, generating, scenarios
from conformance.scenarios import Injection, core_families
from conformance.scenarios.stories import MERGED, PLAIN, MergeStories, Stories, by_experts

BOTH = tuple(Injection)
STEPS = 8  # in a story, after its beginning


def tell(machine, profile, play):
    """Write and play stories: the plainest one and as many as the profile says.

    A fault in some step shows only in the stories that take it, so those are more for faults.
    """
    stories = 12 if profile.name == "faults" else profile.examples
    run_state_machine_as_test(
        lambda: machine(play),
        settings=settings(
            max_examples=stories + 1,
            stateful_step_count=STEPS,
            phases=(Phase.generate, Phase.shrink),
        ),
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


# ---- each step by itself --------------------------------------------------------------------


@pytest.fixture
def story(runs, scenario, folder):
    """A story that begins with one adapter, trained for a step."""
    told = Story(scenario, runs.trainer_class, folder)
    told.add("default")
    told.train(1)
    return told


EACH = crossing(
    PLAIN,
    architecture=core_families(),
    injection=BOTH,
    adapter=("lora", "modules-to-save", "dora"),
)


@clause("lifecycle.add")
@EACH
def test_add(story):
    """An adapter added beside another is in memory, and not active."""
    story.add("second")
    story.train(1)


@clause("lifecycle.activate")
@EACH
def test_activate(story):
    """Only the named adapter works and trains; switching back brings exactly the first one back."""
    story.add("second", then_activate=True)
    story.train(2)
    story.activate("default")
    story.train(1)
    story.activate("second")


@clause("lifecycle.load")
@crossing(
    PLAIN,
    architecture=core_families(),
    injection=BOTH,
    adapter=("lora", "modules-to-save", "dora", "token-indices"),
)
def test_load(story):
    """A loaded adapter has the saved values and changes nothing of the active one."""
    story.save(by_trainer=False)
    story.train(1)
    story.load("second", 0)
    story.activate("second")


@clause("lifecycle.disable")
@EACH
def test_disable(story):
    """Disabled the base, enabled exactly as before, and it trains on."""
    story.disable()
    story.evaluate()
    story.enable()
    story.train(1)


@clause("lifecycle.disable")
@crossing(PLAIN, architecture=core_families(), adapter=("lora", "modules-to-save"))
def test_disable_beside_another(story):
    """The same beside an adapter that is not active, of which nothing asks for gradients."""
    story.add("second")
    story.disable()
    story.enable()
    story.train(1)


@clause("lifecycle.delete")
@EACH
def test_delete(story):
    """Deleting an inactive adapter leaves the active one, deleting the active one another."""
    story.add("second", then_activate=True)
    story.train(1)
    story.add("third", then_activate=True)
    story.delete("second")
    equal("the active adapter", story.active, "third")
    story.delete("third")
    equal("the active adapter", story.active, "default")
    story.train(1)


@clause("lifecycle.delete")
@crossing(PLAIN, architecture=core_families(), injection=BOTH)
def test_delete_the_last(story):
    """Without its last adapter the model is the base, and takes another one."""
    story.delete("default")
    story.add("second", then_activate=True)
    story.train(1)


def merges(profile):
    """Each way of merging, on linear layers and on GPT-2's turned ones; in full on every family.

    The deltas of experts, which are parameters without a layer, are not computed here.
    """
    names = ("llama", "gpt2") if profile.strength < 3 else core_families()
    crossed = [
        PLAIN.but(architecture=name, adapter=adapter) for name in names for adapter in MERGED
    ]
    return [scenario for scenario in crossed if not by_experts(scenario)]


@clause("lifecycle.merge")
@scenarios(merges)
def test_merge_for_good(story):
    """A plain model with base plus delta, which takes a new adapter."""
    story.merge_for_good(safe=False)
    story.add("second")
    story.train(1)


@clause("lifecycle.merge")
@crossing(PLAIN.but(adapter="modules-to-save"), architecture=("llama", "bert"))
def test_merge_copies(story):
    """Trained copies of whole modules take the originals' places."""
    story.merge_for_good(safe=True)


@clause("lifecycle.unmerge")
@scenarios(merges)
def test_unmerge(story):
    """Merged and unmerged, the base is what it was but for rounding, and the adapter trains on."""
    story.merge(safe=True)
    story.evaluate()
    story.unmerge()
    story.train(1)


@clause("lifecycle.safe-merge")
@crossing(PLAIN, architecture=core_families(), adapter=("lora", "dora"))
def test_safe_merge(story):
    """An adapter that holds NaN is refused, and no weight of the base takes one."""
    name = [name for name in story.adapters["default"] if "lora_B" in name][-1]
    broken = story.adapters["default"][name].clone().fill_(float("nan"))
    story.life.put_back({name: broken})
    refused("merging", lambda: story.life.merge(safe=True), error=ValueError, says="NaN")
    base = story.life.look().base
    empty("weights with NaN", [n for n, tensor in base.items() if tensor.isnan().any()])
