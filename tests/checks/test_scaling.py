"""The clause of loss scaling, judged on a CPU by torch's own scaler, and each of its faults."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import one_thread

PROGRAM = Path(__file__).parent / "scaled_in_forks.py"
PASSED, FAILED = 0, 1  # pytest's exit statuses


@pytest.mark.skipif(not one_thread.AVAILABLE, reason="processes are forked on Linux alone")
def test_holds_for_the_libraries_and_for_none_of_its_faults() -> None:
    said = subprocess.run(
        [sys.executable, str(PROGRAM)],
        capture_output=True,
        check=False,
        text=True,
        env={
            **os.environ,
            **one_thread.ENVIRONMENT,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )
    statuses = json.loads(said.stdout.splitlines()[-1])
    assert statuses.pop("") == PASSED, said.stderr[-3000:]
    assert len(statuses) >= 6
    assert {name for name, status in statuses.items() if status != FAILED} == set()
