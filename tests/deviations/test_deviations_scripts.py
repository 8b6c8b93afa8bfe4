"""Each script shows its deviation on the releases that its file lists, and on no others."""

import subprocess
import sys

import pytest
from packaging.specifiers import SpecifierSet

from conformance.deviations.matching import FOLDER, Deviation, installed_versions, load
from conformance.subjects import SubjectError, trainer_class

SHOWN, AS_DOCUMENTED = 1, 0
TIMEOUT = 300.0  # seconds; nearly all of it goes into importing the libraries


@pytest.mark.parametrize("deviation", load(), ids=lambda deviation: deviation.id)
def test_the_script_shows_the_deviation_on_the_listed_releases(deviation: Deviation) -> None:
    for trainer in deviation.trainers:
        try:
            trainer_class(trainer)
        except SubjectError as error:
            pytest.skip(str(error))
    script = FOLDER / "scripts" / deviation.script
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    said = f"exit status {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    for line in ("transformers ", "got: ", "expected: "):  # a crash exits with status 1 as well
        assert f"\n{line}" in f"\n{ended.stdout}", said
    if not deviation.always and "\nnot here: " in ended.stdout:  # another processor
        assert ended.returncode == AS_DOCUMENTED, said
        return
    assert ended.returncode == (SHOWN if _listed_here(deviation) else AS_DOCUMENTED), said


def _listed_here(deviation: Deviation) -> bool:
    versions = installed_versions()
    return all(
        package in versions
        and SpecifierSet(specifier).contains(versions[package], prereleases=True)
        for package, specifier in deviation.versions.items()
    )
