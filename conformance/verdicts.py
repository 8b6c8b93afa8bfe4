"""From what a test raised to the verdict of its case."""

import contextlib
import math
import shlex
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
import pytest

from conformance import deviations, judging
from conformance.compat import Unavailable
from conformance.deviations import CaseKey, Symptom
from conformance.device import CPU
from conformance.plugin import test_name
from conformance.running import build
from conformance.running.launch import RanksHung, RanksLost
from conformance.running.observation import TrainingFailed
from conformance.scenarios import Scenario
from conformance.scenarios.quantizations import OTHERS_JUDGED_BY
from conformance.subjects import TRAINER, Subject

SHRINKING = 10.0  # seconds to look for a simpler scenario that fails too
_PACKAGE = Path(__file__).parent
# Besides chapter injection, the clauses whose own cases tell of a base or an adapter that cannot be
# made: of methods and of quantizations that no other clause meets.
_TELLING = ("methods.every-registered", OTHERS_JUDGED_BY)


def case(
    item: pytest.Item, key: CaseKey, subject: Subject, call: "pytest.CallInfo[None]"
) -> dict[str, Any]:
    """One case of the record as plain data (the fields of `conformance.records.Case`)."""
    error = _all_rejected(item, call.excinfo.value if call.excinfo else None)
    scenario = key.scenario
    verdict, message, deviation = judge(key, error, subject)
    return {
        "id": item.name,
        "clause": key.clause,
        "scenario": {} if scenario is None else scenario.changed(),
        "verdict": verdict,
        "evidence": judging.collect_evidence(),
        "seconds": round(call.duration, 4),
        "message": message,
        "reproducer": "" if verdict == "pass" else reproducer(item, scenario),
        "deviation": deviation,
        **({"samples": samples} if (samples := judging.collect_samples()) else {}),
    }


def _all_rejected(item: pytest.Item, error: BaseException | None) -> BaseException | None:
    """The error, or the reason why no generated scenario could be had where there was none."""
    tolerance = getattr(item, "funcargs", {}).get("tolerating")
    if isinstance(error, hypothesis.errors.Unsatisfiable) and tolerance and tolerance.reason:
        return Unavailable(tolerance.reason)
    return error


def judge(
    key: CaseKey, error: BaseException | None, subject: Subject = TRAINER
) -> tuple[str, str, str]:
    """Verdict, message, and the id of the deviation that explains it, or that it looks like.

    What the libraries raise, and what a clause finds violated, is a failure unless a listed
    deviation explains it or the subject declared it; anything raised by this project's own code
    is its own error.
    """
    if error is None:
        return _passed(key)
    if verdict := _ended_early(error):
        return verdict, str(error), ""
    if _is_our_own(error):
        return "error", "".join(traceback.format_exception(error, limit=-8)), ""
    known = deviations.explaining(key, symptom(error))
    if known is not None:
        return "deviation", f"{known.summary}\n{_text(error)}", known.id
    if reason := _not_run(key, error, subject):
        return "not-run", reason, ""
    return _failed(key, error)


def _failed(key: CaseKey, error: BaseException) -> tuple[str, str, str]:
    """A failure, and what else it may be: a known deviation in releases it is not listed for."""
    like, said = deviations.resembling(key, symptom(error)), _text(error)
    if like is None:
        return "fail", said, ""
    ranges = ", ".join(f"{package} {range_}" for package, range_ in like.versions.items())
    known = f"as the known deviation {like.id} shows, which is listed for {ranges}"
    return "fail", f"{said}\n{known}", like.id


def _ended_early(error: BaseException) -> str:
    """The verdict on what did not come to its end by itself; empty for what did."""
    timed_out = isinstance(error, pytest.fail.Exception) and "Timeout" in str(error)
    if timed_out or isinstance(error, RanksHung):
        return "timeout"
    return "crash" if isinstance(error, RanksLost) else ""


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
    trainer = item.config.getoption("--conformance-trainer")
    if trainer != TRAINER.trainer:
        command += f" --conformance-trainer {shlex.quote(trainer)}"
    if (device := item.config.getoption("--conformance-device")) != CPU:
        command += f" --conformance-device {device}"
    return command if scenario is None else f'{command} --conformance-scenario "{scenario!r}"'


def _passed(key: CaseKey) -> tuple[str, str, str]:
    expected = deviations.certain(key)
    if not expected:
        return "pass", "", ""
    return "fixed", f"no longer deviates: {expected[0].summary}", expected[0].id


def _never_injected(key: CaseKey, error: BaseException) -> bool:
    """Whether there was no adapter to judge, which other clauses report."""
    if key.clause.startswith("injection.") or key.clause in _TELLING:
        return False
    if isinstance(error, TrainingFailed):
        return error.failure.before_training
    return key.scenario is not None and _meets_every_adapter(error, key.scenario)


def _meets_every_adapter(error: BaseException, scenario: Scenario) -> bool:
    """Whether a test met this putting an adapter in, and the plainest meets it too, in the same way
    of putting in: that one chapter injection judges whatever the profile.
    """
    places = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
    if build.__file__ not in places:
        return False
    plainest = Scenario(injection=scenario.injection)
    try:
        build.inject(plainest, build.base_model(plainest), seed=0)
    except Exception as again:
        return (type(again), str(again)) == (type(error), str(error))
    return False


def _not_run(key: CaseKey, error: BaseException, subject: Subject) -> str:
    """Why there was nothing to judge; empty when there was."""
    if isinstance(error, Unavailable):
        return str(error)
    if isinstance(error, pytest.skip.Exception):
        return "no scenario of this profile meets it"
    if _never_injected(key, error):
        return f"no adapter got in, see chapter injection: {_first_line(error)}"
    if isinstance(error, TrainingFailed) and (known := deviations.preventing(key, symptom(error))):
        return f"its training ends in the known deviation {known.id}"
    return subject.excuses(key, symptom(error))


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
    over, so that it does not hide a new defect; what the stack cannot do, or the subject does not,
    is skipped (``reason`` says why, of the last one); anything else is raised, and shrunk for
    `SHRINKING` seconds.
    """

    def __init__(self, clause: str, test: str, subject: Subject = TRAINER) -> None:
        self.clause = clause
        self.test = test
        self.subject = subject
        self.reason = ""
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
        key = self.subject.key(self.clause, self.test, scenario)
        if rejecting and (declined := self.subject.declines(key)):
            self.reason = declined
            hypothesis.reject()
        try:
            yield
        except Exception as error:
            known = deviations.explaining(key, symptom(error))
            reason = known is None and _not_run(key, error, self.subject)
            if reason and rejecting:
                self.reason = reason
                hypothesis.reject()
            if known is None and not reason:
                self._failing.add(scenario.id)
                self._until = min(self._until, time.monotonic() + SHRINKING)
                raise
            if known is not None:
                judging.note(**{f"known deviation {known.id}": "met in generated scenarios"})
        judging.note_count("generated")
