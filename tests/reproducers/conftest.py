"""A process that has imported the libraries, in which scripts are tried on planted faults."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from showing import Show

from conformance.reproducers.trying import SURROUNDINGS, Tried


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """Writes the script for a job of `faulty_workshop` and runs it."""
    if sys.platform != "linux":
        pytest.skip("only on Linux are scripts run in forks")
    place = tmp_path_factory.mktemp("scripts") / "it.py"
    warm = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("faulty_workshop.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **SURROUNDINGS},
    )
    assert warm.stdin is not None and warm.stdout is not None
    ask, answers = warm.stdin, warm.stdout

    def run(job: dict[str, Any]) -> Tried:
        print(json.dumps({**job, "path": str(place)}), file=ask, flush=True)
        return Tried(**json.loads(answers.readline()))

    yield run
    ask.close()
    warm.wait(10)
