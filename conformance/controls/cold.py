"""Judging a planted fault in a whole process of its own, where forking is not safe."""

import subprocess
import sys
import tempfile
from pathlib import Path

from conformance.records import RecordError, read
from conformance.redacting import redacted

from .job import Answer, Ending, Job


def ask(job: Job) -> Answer:
    """The answer to ``job``, whose matrix is not judged."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "run", "--report-dir", folder]
        command += ["--profile", "faults", "--workers", "1", "--no-scripts"]
        command += [part for name in job.clauses for part in ("--clause", name)]
        command += ["--fault", job.fault] if job.fault else []
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=job.limit, check=False
            )
            cases = [case for clause in read(Path(folder)).clauses for case in clause.cases]
        except subprocess.TimeoutExpired:
            return Answer(ending=Ending.LATE, message=f"no verdict within {job.limit:.0f} s")
        except RecordError:
            return Answer(ending=Ending.FAILED, message=redacted(ended.stderr).strip()[-300:])
        return Answer(cases=tuple(cases))
