"""Scripts show what is there and nothing else: on real defects, planted ones, and without any."""

import subprocess
import sys
from pathlib import Path

import pytest
from showing import Show

from conformance import deviations
from conformance.printed import END
from conformance.records import Case, Verdict, stack
from conformance.reproducers.trying import alone
from conformance.reproducers.workshop import FORKS, work_off
from conformance.scenarios import Scenario

TRAINED = Scenario(epochs=2.0, save="steps", save_steps=2)
CHECKS = {
    # a fault, and the case whose script has to see it when it is planted into its process
    "one-base-weight-nudged": ("frozen.bit-identical", TRAINED),
    "base-unfrozen-by-training": ("frozen.requires-grad-kept", TRAINED),
    "base-holds-a-gradient": ("frozen.no-gradient", TRAINED),
    "base-parameter-in-the-optimizer": ("frozen.optimizer-groups", TRAINED),
    "disabling-leaves-one-layer-on": ("frozen.disabled-logits", TRAINED),
    "inactive-adapter-decays": (
        "frozen.inactive-adapters",
        TRAINED.but(adapter="two-adapters", weight_decay=0.1),
    ),
    "one-adapter-weight-never-steps": ("adapter.every-parameter-moves", TRAINED),
    "a-base-weight-on-disk": ("checkpoint.adapter-only", TRAINED),
    "one-tensor-not-written": ("checkpoint.complete", TRAINED),
    "saved-one-step-late": ("checkpoint.cadence", TRAINED),
    "saved-weight-a-millionth-off": ("checkpoint.round-trip", TRAINED),
    "final-save-a-millionth-off": ("checkpoint.final-save", TRAINED),
    "scheduler-saved-all-the-same": (
        "checkpoint.save-only-model",
        TRAINED.but(save_only_model=True),
    ),
    "last-model-taken-for-the-best": (
        "checkpoint.best-model",
        TRAINED.but(save_steps=1, evaluate="steps", load_best=True, learning_rate=0.1),
    ),
    "loss-a-thousandth-off": ("loss.reference", TRAINED.but(accumulation=2)),
    "eval-loss-a-thousandth-off": (
        "evaluation.loss-present",
        TRAINED.but(evaluate="steps", varied_lengths=False),
    ),
    "clipped-a-hundredth-too-high": ("loop.clipping", TRAINED.but(max_grad_norm=0.05)),
    "random-state-not-restored": ("resume.equals-uninterrupted", TRAINED.but(dropout=0.2)),
    "a-plain-tuple": ("output.named-tuple", TRAINED),
    "global-step-one-too-many": ("output.global-step", TRAINED),
    "epoch-missing-from-metrics": ("output.metrics-keys", TRAINED),
    "epoch-a-hundredth-off": ("output.epoch", TRAINED),
}


@pytest.mark.parametrize("fault", CHECKS)
def test_a_script_sees_a_planted_fault_and_nothing_without_it(show: Show, fault: str) -> None:
    _sees(show, fault, *CHECKS[fault])


def test_a_script_is_of_the_adapter_that_was_trained(show: Show) -> None:
    second = TRAINED.but(adapter="second-of-two", weight_decay=0.1)
    _sees(show, "inactive-adapter-decays", "frozen.inactive-adapters", second)


def _sees(show: Show, fault: str, clause: str, scenario: Scenario) -> None:
    job = {"clause": clause, "scenario": scenario.changed()}
    faulty, sound = (show({**job, "fault": planted}) for planted in (fault, ""))
    assert str(faulty) == "reproduced in a fresh process", faulty.said
    assert str(sound) == "did not reproduce in a fresh process", sound.said
    assert "does not show on these versions" in sound.said
    assert all(f"\n{name} " in f"\n{sound.said}" for name in ("transformers", "peft", "torch"))


ENDED = (
    "RuntimeError in phase train: Unknown type for trial\nTraceback (most recent call last):\n"
    '  File "/lib/site-packages/transformers/trainer.py", line 1, in train\n'
    "RuntimeError: Unknown type for trial"
)
REAL = {
    # clause, test and message of a case, and a scenario, for which a deviation is listed
    "undivided-loss": (
        *("accumulation.equivalent", "test_equivalent_reference", "the loss of step 1"),
        Scenario(architecture="bert", accumulation=3, examples=12),
    ),
    "torn-log-interval": (
        *("resume.equals-uninterrupted", "test_logged_loss_across_the_checkpoint"),
        "log history at [1]",
        Scenario(save="steps", logging_steps=3, epochs=2.0),
    ),
    "stopped-window": (
        *("callbacks.stop-inside-window", "test_stop_inside_window", "gradients of step 3"),
        Scenario(accumulation=3, batch_size=1, epochs=2.0),
    ),
    "save-beside-best": (
        *("callbacks.save-beside-best", "test_save_beside_best", "checkpoints"),
        Scenario(evaluate="steps", save="best"),
    ),
    "trial-dictionary": (  # which ends in an exception
        *("search.dictionary", "test_dictionary", ENDED),
        Scenario(evaluate="epoch", varied_lengths=False),
    ),
    "grouped-resume": (
        *("resume.equals-uninterrupted", "test_special", "resumed at 8, step 9: the batch"),
        Scenario(save="steps", sampling="group_by_length", examples=13, epochs=2.0),
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_a_script_shows_a_real_deviation_where_it_is_listed(tmp_path: Path, name: str) -> None:
    clause, test, message, scenario = REAL[name]
    known = next(each for each in deviations.load() if each.id == name)
    case = Case(f"{test}[x]", clause, scenario.changed(), Verdict.FAIL, message=message)
    ((script, outcome),) = work_off([(case, tmp_path / "it.py")], stack())
    assert script == "it.py"
    shows = known.listed_for(stack().packages)
    assert outcome == f"{'reproduced' if shows else 'did not reproduce'} in a fresh process"
    assert alone(tmp_path / "it.py").reproduced is shows


# ---- how a script ended ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("print('violated: it'); raise SystemExit(1)", "reproduced in a fresh process"),
        ("print('does not show')", "did not reproduce in a fresh process"),
        ("raise SystemExit(1)", "could not judge: exit status 1"),
        ("import nothing_of_that_name", "could not judge: ModuleNotFoundError: No module named"),
        ("raise ValueError('x')", "could not judge: ValueError: x"),
    ],
)
def test_only_what_was_found_violated_reproduces(tmp_path: Path, text: str, expected: str) -> None:
    script = tmp_path / "it.py"
    script.write_text(text, encoding="utf-8")
    assert str(alone(script)).startswith(expected)


def test_a_script_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.reproducers.trying.LIMIT", 0.5)
    script = tmp_path / "it.py"
    script.write_text("import time; time.sleep(60)", encoding="utf-8")
    assert str(alone(script)).startswith("could not judge: still running after")


@pytest.mark.parametrize("tried", ["alone", *(["in_a_fork"] if FORKS else [])])
def test_what_a_script_prints_is_kept_in_bounds(tried: str, tmp_path: Path) -> None:
    """However much it is, the end of it counts."""
    script = tmp_path / "it.py"
    prints = "for _ in range(20):\n    os.write(1, b'x' * 2**22)\n"
    prints += "time.sleep(2)\n"  # what is printed while the file is begun anew may be lost
    script.write_text(f"import os, time\n{prints}print('\\nviolated: it')\nraise SystemExit(1)\n")
    program = (  # of one thread, so that it may fork
        f"import pathlib\nfrom conformance.reproducers.trying import {tried}\n"
        f"found = {tried}(pathlib.Path({str(script)!r}))\nprint(found.reproduced, len(found.said))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    reproduced, length = ended.stdout.split()
    assert reproduced == "True"
    assert int(length) <= END
