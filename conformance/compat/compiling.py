"""What libraries compile at their first use: done ahead, so that it is no case's time."""

import os
import subprocess
import sys


def run_python(*arguments: str, limit: float | None = None) -> str:
    """Run this interpreter, which sees what this process sees, for ``limit`` seconds at most.

    Gives back the last line of its error output where it fails, and "" where it does not.
    """
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {limit:.0f} s"
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return said[-1] if done.returncode else ""
