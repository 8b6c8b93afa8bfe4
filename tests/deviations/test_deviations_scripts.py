"""Each script shows its deviation on the releases that its file lists, and on no others."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.specifiers import SpecifierSet

from conformance.deviations.matching import FOLDER, Deviation, installed_versions, load
from conformance.subjects import SubjectError, trainer_class

SHOWN, AS_DOCUMENTED = 1, 0
TIMEOUT = 300.0  # seconds; nearly all of it goes into importing the libraries


class Ended(NamedTuple):
    """A script's exit status, and what it printed."""

    status: int
    said: str


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Path], Ended]]:
    """Runs a script: in a fork of a process that has imported the libraries, where that is safe."""
    if sys.platform != "linux":
        yield _alone
        return
    warm = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("scripts_in_forks.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert warm.stdin is not None and warm.stdout is not None
    ask, answers = warm.stdin, warm.stdout

    def run_forked(script: Path) -> Ended:
        print(script, file=ask, flush=True)
        return Ended(**json.loads(answers.readline()))

    yield run_forked
    ask.close()
    warm.wait(10)


def _alone(script: Path) -> Ended:
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    return Ended(ended.returncode, f"{ended.stdout}\n{ended.stderr}")


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("deviation", load(), ids=lambda deviation: deviation.id)
def test_the_script_shows_the_deviation_on_the_listed_releases(
    deviation: Deviation, run: Callable[[Path], Ended]
) -> None:
    for trainer in deviation.trainers:
        try:
            trainer_class(trainer)
        except SubjectError as error:
            pytest.skip(str(error))
    script = FOLDER / "scripts" / deviation.script
    ended = run(script)
    said = f"exit status {ended.status}\n{ended.said}"
    for line in ("transformers ", "got: ", "expected: "):  # a crash exits with status 1 as well
        assert f"\n{line}" in f"\n{ended.said}", said
    if not deviation.always and "\nnot here: " in ended.said:  # another processor
        assert ended.status == AS_DOCUMENTED, said
        return
    assert ended.status == (SHOWN if _listed_here(deviation) else AS_DOCUMENTED), said


def _listed_here(deviation: Deviation) -> bool:
    versions = installed_versions()
    return all(
        package in versions
        and SpecifierSet(specifier).contains(versions[package], prereleases=True)
        for package, specifier in deviation.versions.items()
    )
