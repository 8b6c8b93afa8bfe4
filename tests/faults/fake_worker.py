"""A warm process with faults of its own, one for each way in which a fault may turn out."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from conformance.controls.warm import main
from conformance.faults import fault, faults

faults()  # the real ones first: they register themselves but once
PARAMETERS, IMPORTS = "signature.train-parameters", "signature.import-path"


@fault(PARAMETERS)
def fake_kill() -> None:
    """`train` loses a parameter."""
    from transformers import Trainer

    Trainer.train = lambda self, resume_from_checkpoint=None, trial=None: None


@fault(PARAMETERS)
def fake_equivalent() -> None:
    """Changes nothing."""


@fault(PARAMETERS)
def fake_hang() -> None:
    """Never comes back, and leaves a process that would not end either."""
    sleeper = subprocess.Popen(["sleep", "3600"])
    Path(os.environ["FAKE_SLEEPER"]).write_text(str(sleeper.pid))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
    time.sleep(3600)


@fault(PARAMETERS)
def fake_segfault() -> None:
    """Reads where nothing is."""
    ctypes.string_at(0)


@fault(PARAMETERS)
def fake_unplantable() -> None:
    """Patches what is not there any more."""
    import transformers

    del transformers.ThatWasOnceHere


@fault(PARAMETERS)
def fake_harness_error() -> None:
    """Breaks this project's own code."""
    from conformance import judging

    judging.require = None


if __name__ == "__main__":
    from conformance.faults.registry import _registered

    faults().update(_registered)
    sys.exit(main(sys.argv[1]))
