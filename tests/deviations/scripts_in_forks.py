"""Runs scripts in forks of a process that has imported the libraries, which takes most of a run.

``python scripts_in_forks.py``: the path of a script on each line of standard input, a JSON object
with ``status`` and ``said`` on each line of standard output.
"""

import gc
import json
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path


def run(script: str) -> dict[str, object]:
    """The script's exit status and what it printed, both streams together."""
    with tempfile.TemporaryFile() as said:
        if (child := os.fork()) == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os._exit(_status(script))
        _, status = os.waitpid(child, 0)
        said.seek(0)
        text = said.read().decode(errors="replace")
    return {"status": os.waitstatus_to_exitcode(status), "said": text}


def _status(script: str) -> int:
    sys.argv = [script]
    status: object = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        traceback.print_exc()
        status = 3
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0) if isinstance(status, (int, bool, type(None))) else 3


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    import peft  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401
    from transformers import Trainer  # noqa: F401 - which is imported lazily

    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        answers.write(json.dumps(run(str(Path(line.strip())))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
