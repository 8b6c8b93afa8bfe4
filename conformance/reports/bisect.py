"""What a bisection came to: the answer as a file, and as people at a terminal see it."""

import json
import shutil
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.environments.bisecting import Answer
from conformance.environments.trials import Trial, TrialRunner, shown
from conformance.records import write_atomically

ANSWER = "bisect.json"


def write(answer: Answer, runner: TrialRunner) -> None:
    """Write ``bisect.json`` and the records of the answer's two sides into the runner's folder."""
    for name, side in (("good", answer.good), ("bad", answer.bad)):
        shutil.rmtree(runner.folder / name, ignore_errors=True)
        if side is not None:
            shutil.copytree(side.folder, runner.folder / name)
    told = {
        "clause": runner.question.clause,
        "case": runner.question.case,
        "among": sorted(runner.question.among),
        "answered": answer.answered,
        "sentences": list(answer.sentences),
        "good": answer.good.to_json() if answer.good else None,
        "bad": answer.bad.to_json() if answer.bad else None,
        "trials": [trial.to_json() for trial in runner.trials],
    }
    write_atomically(runner.folder / ANSWER, json.dumps(told, indent=1) + "\n")


def show(answer: Answer, runner: TrialRunner, console: Console) -> None:
    """Print each trial, why the answer's two sides differ, and the answer last."""
    console.print(_table(runner.trials))
    for side in filter(None, (answer.good, answer.bad)):
        why = f": {side.reason}" if side.reason else ""
        console.print(Text(f"{shown(side.pins)}: {side.verdict}{why}"), soft_wrap=True)
    files = f"{ANSWER}, good/, bad/" if answer.answered else ANSWER
    console.print(Text(f"{runner.folder}: {files}", "dim"), soft_wrap=True)
    for sentence in answer.sentences:
        console.print(Text(sentence, "bold"), soft_wrap=True)


def _table(trials: Sequence[Trial]) -> Table:
    names = list(dict.fromkeys(name for trial in trials for name in trial.pins))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in (*names, "shows", "verdict"):
        table.add_column(head, no_wrap=head in names)
    table.add_column("s", justify="right")
    for trial in trials:
        verdict = trial.verdict or trial.reason
        if trial.verdict == "not-run":
            verdict = f"not-run: {trial.reason}"
        cells = [*(trial.pins.get(name, "") for name in names), _shows(trial), verdict]
        table.add_row(*map(Text, cells), f"{trial.seconds:.0f}")
    return table


def _shows(trial: Trial) -> str:
    return {"good": "no", "bad": "yes"}.get(str(trial.outcome), str(trial.outcome))
