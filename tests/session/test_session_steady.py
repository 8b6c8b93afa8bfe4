"""Runs that are repeated in other surroundings."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from conformance.records import Record, Verdict
from conformance.reports.steady import show_repetitions
from conformance.steady import (
    Repetition,
    Surroundings,
    Unjudged,
    differences,
    repeat,
    surroundings,
    verdicts,
)

HERE = Path(__file__).parent


def test_every_value_of_everything_is_met() -> None:
    found = surroundings(6)
    assert len({place.seed for place in found}) == 6
    for name in ("zone", "locale", "folder"):
        assert len({getattr(place, name) for place in found}) == 4
    assert {place.threads for place in found} == {1, 2}
    assert {place.home_writable for place in found} == {True, False}


def test_the_environment_of_a_process(tmp_path: Path) -> None:
    (place,) = surroundings(1)
    found = place.environment(tmp_path)
    assert found["HOME"] == str(tmp_path)
    assert (found["TZ"], found["LC_ALL"], found["OMP_NUM_THREADS"]) == ("UTC", "C.UTF-8", "1")
    assert all(map(os.path.isabs, found["PYTHONPATH"].split(os.pathsep)))
    assert "XDG_CACHE_HOME" not in found


def test_differences_name_the_case_and_both_verdicts(record: Record) -> None:
    one = verdicts(record)
    assert list(differences(one, one)) == []
    (first, second), rest = list(one)[:2], dict(list(one.items())[1:])
    changed = rest | {second: Verdict.CRASH}
    assert list(differences(one, changed)) == [
        f"{first[0]} {first[1]}: not judged, first pass",
        f"{second[0]} {second[1]}: crash, first fail",
    ]


def shown(*found: Repetition) -> tuple[int, str]:
    console = Console(highlight=False)
    with console.capture() as captured:
        unsteady = show_repetitions(found, console)
    return unsteady, captured.get()


def test_what_is_shown() -> None:
    (place,) = surroundings(1)
    good = Repetition(place, 3, (), (), 2.0)
    unsteady, text = shown(good, replace(good, red=("a [b]: fail",), different=("c d",) * 12))
    assert unsteady == 1
    assert text.splitlines()[0] == f"steady 1: {place}: 3 cases, 2 s"
    assert "UNSTEADY 2" in text
    assert "\n  red: a [b]: fail\n  differs: c d\n" in text
    assert text.endswith("  … and 3 more\n")


def test_a_run_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(Unjudged, match=r"seed 0, .* exit status 2: .*unknown profile"):
        list(repeat(1, ["--profile", "nope"], tmp_path))


def test_a_trainer_that_minds_its_surroundings_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance", "steady", "--seeds", "2", "--workers", "1"]
    command += ["--chapter", "signature", "--trainer", "lying_trainers:Moody"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    first, second, *cases = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert first.startswith("steady 1: seed 0, PYTHONHASHSEED 0, TZ UTC, LANG C.UTF-8, in 'plain'")
    assert second.startswith("UNSTEADY 2: seed 1, PYTHONHASHSEED 1, TZ Asia/Kathmandu, LANG C,")
    assert "HOME read-only" in second
    red = [line for line in cases if line.startswith("  red: signature.model-at-init")]
    assert red and all(line.endswith(": fail") for line in red)
    assert any(line.endswith(": fail, first pass") for line in cases)


def test_surroundings_are_told_in_one_line() -> None:
    place = Surroundings(3, 4, "UTC", "C", "with space", 2, False)
    assert str(place) == (
        "seed 3, PYTHONHASHSEED 4, TZ UTC, LANG C, in 'with space', OMP_NUM_THREADS 2, "
        "HOME read-only"
    )
