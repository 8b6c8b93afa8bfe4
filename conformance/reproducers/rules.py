"""Which clauses have a check that a script can hold, and what a case says of it.

A rule names a template of ``templates/``. Only where one is about exactly what the test judged, of
the scenario that it trained, is there a script: any other would show something else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from conformance.records import Case, Verdict
from conformance.scenarios import Scenario

FAILED = re.compile(r"^(\w+) in phase ([\w-]+): ")
"""How a message begins when the libraries raised: the exception's type, the training's phase."""

_SCENARIO = re.compile(r"Scenario\((?:[^()']|'[^']*')*\)")
_RESUMED = re.compile(r"resumed at (\d+)|checkpoint-(\d+)")
_RESUMING = (
    ("resume.equals-uninterrupted", "*"),
    ("resume.path", "*"),
    ("resume.true-takes-latest", "*"),
    ("resume.restores-each", "*"),
    ("resume.longer-schedule", "*"),
    ("*.resume", "*"),
    ("*", "*_over_a_resume"),
    ("*", "test_training_loss_of_this_call"),
)
_TRAINED = ("output", "injection", "frozen", "adapter", "checkpoint", "resume", "loss")
_ALSO_TRAINED = ("accumulation", "loop", "methods", "architectures", "checkpointing")
_TREATED = (  # whose tests do more to a training than its scenario says
    *("resume.after-kill", "resume.damaged-refused", "resume.missing-refused"),
    *("loop.auto-batch-size", "loop.auto-batch-size-begins-again"),
)
_BY_HAND = ("*_reference", "test_reference", "test_generated", "test_accumulation", "test_loss")


_WITHOUT_TEXT = ("image-classification", "speech-seq2seq", "image-text")


class NoScript(Exception):
    """No script would show what the case showed; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of check: its template, the cases it is about, and the end of its messages."""

    template: str
    clauses: tuple[str, ...]
    tests: tuple[str, ...] = ("*",)
    says: str = ""
    when: Callable[[Scenario], bool] = lambda _: True

    def concerns(self, case: Case, test: str, scenario: Scenario) -> bool:
        """Whether it shows what this case showed."""
        return (
            any(fnmatchcase(case.clause, pattern) for pattern in self.clauses)
            and any(fnmatchcase(test, pattern) for pattern in self.tests)
            and re.search(self.says, case.message) is not None
            and self.when(scenario)
        )


def _followed(scenario: Scenario) -> bool:
    """Whether the loss can be computed beside the training, in the same arithmetic."""
    return (
        not scenario.stochastic
        and not scenario.bf16
        and scenario.base_dtype == "float32"
        and not scenario.recipe.tasks
    )


RULES = (
    Rule(
        "completes",
        tuple(f"{chapter}.*" for chapter in (*_TRAINED, *_ALSO_TRAINED)),
        says=FAILED.pattern,
    ),
    Rule(
        "loss",
        ("loss.reference", "loss.smoothing-*", "loss.custom", "accumulation.*", "loop.reference"),
        _BY_HAND,
        "^the loss (logged at|of) step",
        _followed,
    ),
    Rule(
        "loss",
        ("architectures.loss", "architectures.accumulation", "architectures.smoothing"),
        says="^the loss of step",
        when=_followed,
    ),
    Rule(
        "loss",
        ("output.training-loss",),
        ("*_of_the_reference",),
        "^training_loss\n",
        _followed,
    ),
    Rule(
        "resume",
        ("resume.equals-uninterrupted", "resume.path", "methods.resume", "architectures.resume"),
        ("test_sweep", "test_every_step", "test_special", "test_generated", "test_resume*"),
        r"^resumed at \d+",
    ),
    Rule("resume", ("resume.equals-uninterrupted",), ("test_arguments*",), r"^resumed at \d+"),
    Rule("resume", ("resume.restores-each",), ("test_restores_p_tuning",), "^the adapter as"),
    Rule(
        "resume",
        ("resume.equals-uninterrupted",),
        ("test_logged_loss_across_the_checkpoint",),
        "^log history",
    ),
    Rule(
        "frozen",
        (
            "frozen.bit-identical",
            "frozen.requires-grad-kept",
            "frozen.no-gradient",
            "frozen.optimizer-groups",
            "frozen.inactive-adapters",
            "frozen.disabled-logits",
            "adapter.every-parameter-moves",
            "accumulation.only-adapters",
        ),
    ),
    Rule("output", ("output.global-step",), ("test_global_step", "test_arguments_global_step")),
    Rule("output", ("output.training-loss",), ("test_training_loss",)),
    Rule(
        "output",
        ("output.named-tuple", "output.metrics-keys", "output.metrics-values", "output.epoch"),
    ),
    Rule(
        "checkpoint",
        ("checkpoint.adapter-only", "checkpoint.round-trip", "checkpoint.final-save"),
    ),
    Rule("checkpoint", ("checkpoint.complete",), ("test_complete",)),
    Rule("checkpoint", ("checkpoint.cadence",), ("test_cadence",)),
    Rule("checkpoint", ("checkpoint.save-only-model",), says="^files of state"),
    Rule("checkpoint", ("checkpoint.best-model",), ("test_best_model",), "^the adapter left in"),
)
"""In order: the first that is about a case is the one that shows it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a script has to show: of which case, by which rule, in which scenario."""

    case: Case
    test: str
    rule: Rule
    scenario: Scenario

    @property
    def resumes(self) -> bool:
        """Whether the test resumes what it trains."""
        return any(
            fnmatchcase(self.case.clause, clause) and fnmatchcase(self.test, test)
            for clause, test in _RESUMING
        )

    @property
    def resumed_at(self) -> int:
        """The step after which the case resumed; raises `NoScript` when there is none."""
        if told := _RESUMED.search(self.case.message):
            return int(told.group(1) or told.group(2))
        if inside := [step for step in saved_at(self.scenario) if step < self.scenario.steps]:
            return inside[len(inside) // 2]
        raise NoScript("no checkpoint to resume from is known")

    @property
    def about(self) -> dict[str, Any]:
        """What the templates are told besides the scenario's parts."""
        error, phase = found.groups() if (found := FAILED.match(self.case.message)) else ("", "")
        across = self.test == "test_logged_loss_across_the_checkpoint"
        return {
            "clause": self.case.clause,
            "test": self.test,
            "error": error,
            "phase": phase,
            "resumes": self.resumes,
            "resumed_at": self.resumed_at if self.resumes else 0,
            "torn": "" if across else ' and n != "loss"',
            "cadence": saved_at(self.scenario),
        }


def shown(case: Case) -> Shown:
    """What a script for this case has to show; raises `NoScript`."""
    if case.verdict in (Verdict.CRASH, Verdict.TIMEOUT):
        raise NoScript("no stand-alone script for what crashes or hangs")
    test = case.id.partition("[")[0]
    scenario = _scenario(case)
    if scenario is None:
        raise NoScript("no stand-alone script for a test without a scenario")
    for reason, met in _not_written(scenario).items():
        if met:
            raise NoScript(f"no stand-alone script: {reason}")
    treated = case.clause in _TREATED
    rule = next((r for r in RULES if not treated and r.concerns(case, test, scenario)), None)
    if rule is None:
        raise NoScript("no stand-alone script for this clause")
    if test == "test_special":  # which keeps the checkpoint that it resumes from
        scenario = scenario.but(save_total_limit=0)
    return Shown(case, test, rule, scenario)


def _not_written(scenario: Scenario) -> dict[str, bool]:
    """What no template has, and whether the scenario uses it."""
    return {
        "quantized bases are not written out": bool(scenario.quantization),
        "trainings of several processes are not written out": bool(scenario.launch),
        "images and sounds are not written out": scenario.family.task in _WITHOUT_TEXT,
        "adapters made of others are not written out": bool(scenario.recipe.experts),
    }


def _scenario(case: Case) -> Scenario | None:
    """The scenario that was trained: the one that the message names, or the case's own."""
    if named := _SCENARIO.findall(case.message):
        return Scenario.from_repr(named[-1])
    return Scenario.from_json(case.scenario) if "[" in case.id else None


def saved_at(scenario: Scenario) -> list[int]:
    """The steps whose checkpoints the save strategy asks for."""
    every = {"steps": scenario.save_steps, "epoch": scenario.steps_per_epoch}.get(scenario.save, 0)
    return list(range(every, scenario.steps + 1, every)) if every else []
