"""From what a test raised to the verdict of its case."""

import contextlib
import math
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from conformance import deviations, judging
from conformance.compat import Unavailable
from conformance.deviations import CaseKey, Symptom
from conformance.running.observation import TrainingFailed
from conformance.scenarios import Scenario

SHRINKING = 10.0  # seconds to look for a simpler scenario that fails too
_PACKAGE = Path(__file__).parent


def case(
    item: pytest.Item, clause: str, scenario: Scenario | None, call: "pytest.CallInfo[None]"
) -> dict[str, Any]:
    """One case of the record as plain data (the fields of `conformance.records.Case`)."""
    error = call.excinfo.value if call.excinfo else None
    verdict, message, deviation = judge(CaseKey(clause, test_name(item), scenario), error)
    return {
        "id": item.name,
        "clause": clause,
        "scenario": {} if scenario is None else scenario.changed(),
        "verdict": verdict,
        "evidence": judging.collect_evidence(),
        "seconds": round(call.duration, 4),
        "message": message,
        "reproducer": "" if verdict == "pass" else reproducer(item, scenario),
        "deviation": deviation,
    }


def judge(key: CaseKey, error: BaseException | None) -> tuple[str, str, str]:
    """Verdict, message, and the id of the deviation that explains it.

    What the libraries raise, and what a clause finds violated, is a failure unless a listed
    deviation explains it; anything raised by this project's own code is its own error.
    """
    if error is None:
        return _passed(key)
    if isinstance(error, pytest.fail.Exception) and "Timeout" in str(error):
        return "timeout", _first_line(error), ""
    if _is_our_own(error):
        return "error", "".join(traceback.format_exception(error, limit=-8)), ""
    known = deviations.explaining(key, symptom(error))
    if known is not None:
        return "deviation", f"{known.summary}\n{_text(error)}", known.id
    if reason := _not_run(key, error):
        return "not-run", reason, ""
    return "fail", _text(error), ""


def symptom(error: BaseException) -> Symptom:
    """What deviations are matched against."""
    if isinstance(error, TrainingFailed):
        failure = error.failure
        return Symptom(failure.type, failure.message, failure.phase)
    return Symptom(type(error).__name__, str(error))


def reproducer(item: pytest.Item, scenario: Scenario | None) -> str:
    """The command that runs this one case again."""
    module = getattr(item, "module", None)
    command = f"pytest --pyargs {getattr(module, '__name__', '')}::{test_name(item)}"
    return command if scenario is None else f'{command} --conformance-scenario "{scenario!r}"'


def test_name(item: pytest.Item) -> str:
    """The test function's name, without the scenario."""
    return str(getattr(item, "originalname", item.name))


def _passed(key: CaseKey) -> tuple[str, str, str]:
    expected = [deviation for deviation in deviations.listed(key) if deviation.always]
    if not expected:
        return "pass", "", ""
    return "fixed", f"no longer deviates: {expected[0].summary}", expected[0].id


def _never_injected(key: CaseKey, error: BaseException) -> bool:
    """Whether there was no training to judge, which is chapter injection's to report."""
    injecting = key.clause.startswith("injection.")
    return isinstance(error, TrainingFailed) and error.before_training and not injecting


def _not_run(key: CaseKey, error: BaseException) -> str:
    """Why there was nothing to judge; empty when there was."""
    if isinstance(error, Unavailable):
        return str(error)
    if isinstance(error, pytest.skip.Exception):
        return "no scenario of this profile meets it"
    if _never_injected(key, error):
        return f"no adapter got in, see chapter injection: {_first_line(error)}"
    if isinstance(error, TrainingFailed):
        known = deviations.preventing(key.scenario, symptom(error))
        return f"its training ends in the known deviation {known.id}" if known else ""
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _is_our_own(error: BaseException) -> bool:
    """Whether this project's machinery raised something that is no judgement.

    A test that stumbles over what it observes (a step that is not there) does judge.
    """
    if isinstance(error, (AssertionError, TrainingFailed, Unavailable)):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    file = Path(frames[-1].filename) if frames else Path()
    return file.is_relative_to(_PACKAGE) and not file.is_relative_to(_PACKAGE / "suite")


def _text(error: BaseException) -> str:
    """The message, with what Hypothesis noted (the smallest scenario that fails)."""
    named = str(error) if isinstance(error, (AssertionError, TrainingFailed)) else repr(error)
    notes = [note for note in getattr(error, "__notes__", []) if "Scenario(" in note]
    where = "" if isinstance(error, AssertionError) else _innermost(error)
    return "\n".join([named, *notes, where]).strip()


def _innermost(error: BaseException) -> str:
    if isinstance(error, TrainingFailed):
        return error.failure.traceback
    return "".join(traceback.format_tb(error.__traceback__, limit=-4))


class Tolerance:
    """For scenarios that Hypothesis draws: ``with tolerance(scenario):`` around what judges one.

    With ``rejecting`` false, as in the midst of a story that is still being drawn, nothing is
    skipped: the caller looks at ``late``. What a listed deviation explains is counted and passed
    over, so that it does not hide a new defect; what the stack cannot do is skipped; anything else
    is raised, and shrunk for `SHRINKING` seconds.
    """

    def __init__(self, clause: str, test: str) -> None:
        self.clause = clause
        self.test = test
        self._failing: set[str] = set()
        self._until = math.inf

    @property
    def late(self) -> bool:
        """Whether the time to look for a simpler failure is over."""
        return time.monotonic() > self._until

    @contextlib.contextmanager
    def __call__(self, scenario: Scenario, rejecting: bool = True) -> Iterator[None]:
        """Judge one scenario, or one step of its story; see the class."""
        if rejecting and self.late and scenario.id not in self._failing:
            hypothesis.reject()
        key = CaseKey(self.clause, self.test, scenario)
        try:
            yield
        except Exception as error:
            known = deviations.explaining(key, symptom(error))
            reason = known is None and _not_run(key, error)
            if reason and rejecting:
                hypothesis.reject()
            if known is None and not reason:
                self._failing.add(scenario.id)
                self._until = min(self._until, time.monotonic() + SHRINKING)
                raise
            if known is not None:
                judging.note(**{f"known deviation {known.id}": "met in generated scenarios"})
        judging.note_count("generated")
