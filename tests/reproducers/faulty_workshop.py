"""Writes scripts and runs them in forks of a process that has imported the libraries, on purpose
with a fault planted where one is named.

One JSON object a line: ``fault`` (may be empty), ``path`` and either a ``case`` or a ``clause`` and
a ``scenario`` in; ``status`` and ``said`` out.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from conformance.controls.forking import Send, forked
from conformance.faults import faults
from conformance.records import Case, Verdict, stack
from conformance.reproducers import trying
from conformance.reproducers.rendering import render
from conformance.reproducers.rule import Rule
from conformance.reproducers.rules import RULES, Shown, shown
from conformance.scenarios import Scenario

run_as_a_program = trying._status


def rule_for(clause: str) -> Rule:
    """The rule whose check is that clause's; where a template is the clause's own, that."""
    named = [rule for rule in RULES if rule.check == clause]
    return (named or [rule for rule in RULES if clause in rule.clauses])[-1]


def what(job: dict[str, Any]) -> Shown:
    if "case" in job:
        return shown(Case.from_json(job["case"]))
    case = Case("test_x[x]", job["clause"], job["scenario"], Verdict.FAIL)
    return Shown(case, "test_x", rule_for(job["clause"]), Scenario.from_json(job["scenario"]))


def write(job: dict[str, Any], send: Send) -> None:
    Path(job["path"]).write_text(render(what(job), stack(), "it.py"), encoding="utf-8")
    send({"written": True})


def answer(job: dict[str, Any]) -> trying.Tried:
    sent = forked(lambda send: write(job, send), trying.LIMIT)
    if not any("written" in line for line in sent.lines):
        return trying.Tried(2, sent.message)

    def planted(script: Path) -> int:
        if job["fault"]:
            faults()[job["fault"]].plant()
        return run_as_a_program(script)

    trying._status = planted
    return trying.in_a_fork(Path(job["path"]))


def main() -> None:
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        import peft  # noqa: F401
        import torch  # noqa: F401
        from transformers import Trainer  # noqa: F401 - which is imported lazily

        faults()
        gc.collect()
        gc.freeze()
        for line in sys.stdin:
            tried = answer(json.loads(line))
            answers.write(json.dumps({"status": tried.status, "said": tried.said}) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
