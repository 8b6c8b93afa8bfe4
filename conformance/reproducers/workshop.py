"""A process that imports the libraries once, then writes and tries scripts, each in a fork.

``python -m conformance.reproducers.workshop`` reads one JSON object a line from its standard input
(``case``, ``stack`` and the ``path`` to write) and writes one a line to its standard output: what
came of it (``reproduced``), and the name of the ``script``, empty where none could be written.
"""

import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from conformance import launchers
from conformance.compat import Unavailable
from conformance.controls.forking import Send, forked
from conformance.leaving import end_with_the_parent
from conformance.records import Case, Stack, write_atomically
from conformance.redacting import redacted

from .rule import NoScript
from .rules import shown
from .trying import LIMIT, SURROUNDINGS, alone, in_a_fork

FORKS = sys.platform == "linux"  # elsewhere forking a process that has imported torch is not safe
Job = tuple[Case, Path]


def work_off(jobs: Iterable[Job], stack: Stack) -> Iterator[tuple[str, str]]:
    """Write and try the scripts of these cases; of each its name (or none), and what came of it."""
    environment = {**os.environ, **SURROUNDINGS}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    launchers.forget(environment)
    with (
        tempfile.TemporaryFile("w+", errors="replace") as said,
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=environment,
        ) as warm,
    ):
        assert warm.stdin is not None and warm.stdout is not None
        for case, path in jobs:
            job = {"case": case.to_json(), "stack": stack.to_json(), "path": str(path.absolute())}
            yield _asked(job, warm.stdin, warm.stdout) or ("", _last_words(said))
        with contextlib.suppress(BrokenPipeError):
            warm.stdin.close()


def _asked(job: dict[str, Any], ask: IO[str], answers: IO[str]) -> tuple[str, str] | None:
    """The answer to a job; `None` when the process has ended."""
    try:
        print(json.dumps(job), file=ask, flush=True)
        answer = json.loads(answers.readline())
    except (BrokenPipeError, ValueError):
        return None
    return answer["script"], answer["reproduced"]


def _last_words(said: IO[str]) -> str:
    """Why there is no script: the last line that the process which writes them printed."""
    said.seek(0)
    last = redacted(said.read().strip().rpartition("\n")[2])[:200]
    return f"no stand-alone script: the process that writes them ended: {last}"


# ---- in that process ------------------------------------------------------------------------


def done(job: dict[str, Any]) -> dict[str, str]:
    """Write and try one script."""
    path = Path(job["path"])
    text, problem = _rendered(job)
    if not text:
        return {"script": "", "reproduced": problem}
    write_atomically(path, text)
    tried = in_a_fork(path) if FORKS else alone(path)
    return {"script": path.name, "reproduced": str(tried)}


def _rendered(job: dict[str, Any]) -> tuple[str, str]:
    """The script's text, or why there is none; in a fork, since it builds models."""
    if not FORKS:
        return _text(job)
    sent = forked(lambda send: _send_text(job, send), LIMIT)
    whole = next((line for line in sent.lines if "text" in line), None)
    return (whole["text"], whole["why"]) if whole else ("", f"no script: {sent.message}")


def _send_text(job: dict[str, Any], send: Send) -> None:
    text, why = _text(job)
    send({"text": text, "why": why})


def _text(job: dict[str, Any]) -> tuple[str, str]:
    from .rendering import render

    try:
        what = shown(Case.from_json(job["case"]))
        return render(what, Stack(**job["stack"]), Path(job["path"]).name), ""
    except (NoScript, Unavailable) as reason:
        return "", str(reason)


def main() -> None:
    """Do one job a line until there are no more."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        end_with_the_parent()
        import peft  # noqa: F401
        import torch  # noqa: F401
        from transformers import Trainer  # noqa: F401 - which is imported lazily

        gc.collect()
        gc.freeze()
        for line in sys.stdin:
            answers.write(json.dumps(done(json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
