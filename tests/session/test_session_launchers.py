"""A run inside a job that a launcher started judges as it does outside."""

import os
import subprocess
import sys
from pathlib import Path

from conformance import launchers

JOB = {
    **{"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1"},
    **{"MASTER_PORT": "29511", "OMPI_COMM_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"},
    **{"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_FSDP": "true"},
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
}


def test_what_launchers_say_is_forgotten_and_nothing_else() -> None:
    environ = {**JOB, "HOME": "/somewhere", "RANKING": "1", "PYTHONPATH": "x"}
    launchers.forget(environ)
    assert environ == {"HOME": "/somewhere", "RANKING": "1", "PYTHONPATH": "x"}


def test_a_run_within_a_job_conforms(tmp_path: Path) -> None:
    clauses = ("frozen.bit-identical", "accumulation.equivalent", "distributed.ranks-agree")
    command = [sys.executable, "-m", "conformance", "run", "--profile", "smoke", "--workers", "1"]
    ended = subprocess.run(
        [*command, *(f"--clause={name}" for name in clauses), "--report-dir", str(tmp_path)],
        env={**os.environ, **JOB},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "conforms: 2 clauses pass, 1 known deviation" in ended.stdout
