"""What CI runs holds to the rules that a linter of workflows does not know."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.environments.matrixfile import SUPPORTED, read

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = yaml.safe_load((ROOT / "ci" / "gitlab-ci.yml").read_text("utf-8"))
MAY = {"contents": "read", "actions": "read", "pull-requests": "write"}


def loaded(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in loaded(path)["jobs"].values():
        yield from job["steps"]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_there_are_some() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"upgrade", "upgrade-comment", "conformance"}


def test_no_more_is_allowed_than_is_needed(workflow: Path) -> None:
    found = loaded(workflow)
    assert found["permissions"] == {}
    for job in found["jobs"].values():
        assert job["permissions"].items() <= MAY.items()
        assert job["timeout-minutes"] <= 90


def test_a_run_that_fills_the_summary_is_not_written_there_again(workflow: Path) -> None:
    scripts = [step.get("run", "") for step in steps(workflow)]
    runs = any("peft-conformance run" in script for script in scripts)
    assert not (runs and any("GITHUB_STEP_SUMMARY" in script for script in scripts))


def test_what_comes_from_outside_is_never_part_of_a_script(workflow: Path) -> None:
    scripts = [
        step.get("run", "") + step.get("with", {}).get("script", "") for step in steps(workflow)
    ]
    assert any(scripts)
    assert not any("${{" in script for script in scripts)


def test_actions_are_pinned_to_a_major_version_or_a_commit(workflow: Path) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@(v\d+|[0-9a-f]{40})", name) for name in used)


def test_only_what_runs_nothing_of_a_pull_request_may_write() -> None:
    for path in WORKFLOWS:
        writes = any(
            "write" in job["permissions"].values() for job in loaded(path)["jobs"].values()
        )
        checks_out = any("checkout" in step.get("uses", "") for step in steps(path))
        assert not (writes and checks_out), path.name
        assert "pull_request_target" not in path.read_text("utf-8")


def test_sessions_that_ci_names_are_there() -> None:
    sessions = set(
        re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text("utf-8"), re.M)
    )
    texts = [path.read_text("utf-8") for path in (*WORKFLOWS, ROOT / "ci" / "gitlab-ci.yml")]
    named = {
        name for text in texts for name in re.findall(r"nox (?:--install-only )?-s (\w+)", text)
    }
    assert named >= {"conformance", "upgrade", "matrix"}
    assert named <= sessions


def test_gitlab_runs_the_same() -> None:
    assert {"conformance", "upgrade", "matrix"} <= set(GITLAB)


def pins(source: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "ci" / "pins.py")]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def test_the_pins_of_a_noxfile_are_read_and_nothing_is_run() -> None:
    found = pins('import no_such\nraise SystemExit(3)\nSTACK = ["peft==0.1", "trl>=1"]\n')
    assert (found.returncode, found.stdout) == (0, "peft==0.1 trl>=1\n")
    found = pins("x = 1")
    assert (found.returncode, found.stderr) == (1, "no STACK is pinned there\n")


def listed(name: str) -> list[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    values = [
        n.value
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == name
    ]
    found: list[str] = ast.literal_eval(values[0])
    return found


def test_the_oldest_stack_is_the_same_everywhere() -> None:
    oldest = read(SUPPORTED)[0].specs
    tox = (ROOT / "tox.ini").read_text("utf-8")
    assert listed("OLDEST") == list(oldest)
    assert re.findall(r"^    oldest: (\w+==.+)$", tox, re.M) == list(oldest)
