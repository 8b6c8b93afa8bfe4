"""Playing stories while they are written: each of them once."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.scenarios import Scenario
from conformance.scenarios.stories import Step

from .lifecycle import Story

if TYPE_CHECKING:
    from conformance.verdicts import Tolerance


class Player:
    """Plays the stories of one test, and knows how those ended that it has played.

    The same steps give the same end, so a story is taken up only where it does what none before
    did. When ``tolerating`` says that it is late nothing new is played.
    """

    def __init__(self, trainer_class: type, folder: Path, tolerating: "Tolerance") -> None:
        self.tolerating = tolerating
        self.story: Callable[[Scenario], Story] = lambda scenario: Story(
            scenario, trainer_class, folder, partial(tolerating, rejecting=False)
        )
        self.fine: set[str] = set()
        self.failed: dict[str, Exception] = {}

    def __call__(self, scenario: Scenario) -> "Performance":
        """Begin a story."""
        return Performance(self, scenario)


class Performance:
    """One story being played: call it with each step. Raises what a step that does not hold raises.

    ``over`` says that nothing more is played.
    """

    def __init__(self, player: Player, scenario: Scenario) -> None:
        self.player = player
        self.scenario = scenario
        self.steps: list[Step] = []
        self.story: Story | None = None
        self.played = 0
        self.over = False

    def __call__(self, step: Step) -> None:
        """The next step."""
        self.steps.append(step)
        text = f"{self.scenario.id}: {self.steps}"
        if self.over or text in self.player.fine:
            return
        if text in self.player.failed:
            raise self.player.failed[text]
        if self.player.tolerating.late:
            self.over = True
            return
        try:
            self._catch_up()
        except Exception as error:
            self.player.failed[text] = error
            raise
        self.player.fine.add(text)

    def _catch_up(self) -> None:
        if self.story is None:
            self.story = self.player.story(self.scenario)
        for name, arguments in self.steps[self.played :]:
            if not self.story.over:
                getattr(self.story, name)(**arguments)
        self.played = len(self.steps)
        self.over = self.story.over
