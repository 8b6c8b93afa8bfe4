"""Judges precision.fp16 on a CPU, once as it is and once with each of its faults planted.

Prints a line of JSON: faults (none by the name "") to pytest's exit statuses.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from conformance import plugin, subjects
from conformance.contract.tested import SUITE
from conformance.faults import faults

CLAUSE = "precision.fp16"
ARGUMENTS = (
    *(str(SUITE / "test_precision.py"), "-q", "-c", str(SUITE / "pytest.ini")),
    *(f"--conformance-clause={CLAUSE}", "--conformance-profile=smoke"),
    "--conformance-trainer=scaled_on_cpu:ScaledTrainer",
    *("-p", "conformance.plugin", "-p", "no:cacheprovider"),
)


def main() -> None:
    """Import once, then judge in a fork each time."""
    sys.path.insert(0, str(Path(__file__).parent))
    plugin.lacking = lambda *_: ""  # type: ignore[attr-defined]  # though there is no card
    subjects.prepare()
    names = ["", *(name for name, each in faults().items() if each.clause == CLAUSE)]
    statuses = {name: _judged(name) for name in names}
    print(json.dumps(statuses))


def _judged(fault: str) -> int:
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.dup2(2, 1)
    planted = [f"--conformance-fault={fault}"] if fault else []
    os._exit(int(pytest.main([*ARGUMENTS, *planted])))


if __name__ == "__main__":
    main()
