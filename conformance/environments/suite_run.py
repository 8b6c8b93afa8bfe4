"""Running this suite in an environment."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from conformance.leaving import alone_in, waited
from conformance.records import JOURNAL, RECORD, Record, RecordError, read
from conformance.steady import Unjudged

from .environment import Environment

__all__ = ["Unjudged", "clear", "judge"]

LOG = "run.log"


def judge(environment: Environment, arguments: Sequence[str], report_dir: Path) -> Record:
    """Run ``peft-conformance run`` with these arguments in an environment, and read its record.

    It is the suite of this program that runs, whichever the environment's own would be; what it
    prints goes to ``run.log`` in ``report_dir``, beside the record and its reports.

    Raises `Unjudged` when it leaves no whole record, with the last line of what it said, and
    `UsageError` when another run writes there.
    """
    clear(report_dir)
    command = [str(environment.python), "-m", "conformance", "run", *arguments]
    with (report_dir / LOG).open("w", encoding="utf-8") as log:
        status = waited(
            subprocess.Popen(
                [*command, "--report-dir", str(report_dir)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment.environ(),
                start_new_session=True,
            )
        )
    try:
        if status not in (0, 1, 2):
            raise RecordError(f"exit status {status}")
        return read(report_dir)
    except RecordError as error:
        said = (report_dir / LOG).read_text("utf-8", "replace").strip().splitlines()
        last = said[-1].removeprefix("peft-conformance: ") if said else error
        raise Unjudged(
            f"{environment.stack} was not judged: {last}; see {report_dir / LOG}"
        ) from None


def clear(folder: Path) -> None:
    """Remove an earlier run's record, which must not be taken for that of the next, and make the
    folder; raises `UsageError` when another run writes there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        for stale in (RECORD, JOURNAL):
            (folder / stale).unlink(missing_ok=True)
