"""Playing stories that were written: each of them once."""

from collections.abc import Sequence
from pathlib import Path

from conformance.scenarios import Scenario
from conformance.scenarios.stories import Step

from .lifecycle import Guard, Story


class Player:
    """Plays written stories, each of them once: the same steps give the same end."""

    def __init__(self, trainer_class: type, folder: Path, guard: Guard) -> None:
        self.trainer_class = trainer_class
        self.folder = folder
        self.guard = guard
        self._played: set[str] = set()
        self._failed: dict[str, Exception] = {}

    def __call__(self, scenario: Scenario, steps: Sequence[Step]) -> None:
        """Play one story to its end; raises what its first step that does not hold raises."""
        written = [f"{scenario.id}: {steps[:end]}" for end in range(1, len(steps) + 1)]
        known = next((self._failed[text] for text in written if text in self._failed), None)
        if known is not None:
            raise known
        if written[-1] in self._played:
            return
        story = Story(scenario, self.trainer_class, self.folder, self.guard)
        for text, (step, arguments) in zip(written, steps, strict=True):
            try:
                getattr(story, step)(**arguments)
            except Exception as error:
                self._failed[text] = error
                raise
            if story.over:
                break
        self._played.add(written[-1])
