"""What the libraries raise in a training, as data; what they cannot do here is none to judge."""

import contextlib
import traceback
from collections.abc import Iterator

from conformance import compat
from conformance.scenarios import Scenario

from .observation import Failure, TrainingFailed
from .recorder import Interrupted


def failure(phase: str, error: Exception) -> Failure:
    """The exception that is being handled, with the phase it came in.

    Raises `Unavailable` where the libraries say in it that this stack or machine cannot do it.
    """
    if reason := compat.why_unavailable(error):
        raise compat.Unavailable(reason) from error
    return Failure(phase, type(error).__name__, str(error), traceback.format_exc(limit=-6))


@contextlib.contextmanager
def training_failed(scenario: Scenario) -> Iterator[None]:
    """What is raised inside, where `Trainer.train` is called, becomes a `TrainingFailed`.

    `Interrupted` stays what it is. Raises `Unavailable` as `failure` does.
    """
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        raise TrainingFailed(scenario, failure("train", error)) from error
