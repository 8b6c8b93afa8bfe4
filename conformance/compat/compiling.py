"""What libraries compile at their first use: done ahead, so that it is no case's time."""

import os
import subprocess
import sys

LIMIT = 900.0
"""Seconds that it may take; a lock that a killed process has left would be waited for for ever."""


def run_python(*arguments: str) -> str:
    """Run this interpreter, which sees what this process sees, for `LIMIT` seconds at most.

    Gives back the last line of its error output where it fails, and "" where it does not.
    """
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {LIMIT:.0f} s: has a killed process left its lock?"
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return said[-1] if done.returncode else ""
