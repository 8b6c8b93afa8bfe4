"""Which clauses have a check that a script can hold, and what a case says of it.

A rule names a template of ``templates/``. Only where one is about exactly what the test judged, of
the scenario that it trained, is there a script: any other would show something else.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from conformance.records import Case, Verdict
from conformance.records.raised import raised
from conformance.scenarios import Scenario
from conformance.scenarios.documented import EXAMPLES

from . import chapters, hurting, moments
from .rule import NoScript, Rule
from .without import not_written, why

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
_ALSO_TRAINED = (
    *("accumulation", "loop", "methods", "architectures", "checkpointing", "evaluation"),
    *("precision", "quantized", "distributed", "fsdp"),
)
_TREATED = (  # whose tests do more to a training than its scenario says
    ("resume.after-kill", "*"),
    ("resume.damaged-refused", "*"),
    ("loop.auto-batch-size", "test_resumes*"),
    ("loop.auto-batch-size-*", "*"),
    ("methods.resume", "test_resume_pruned"),
)
_TRAINED_AS: dict[str, Callable[[Scenario], Scenario]] = {  # where that is not the case's own
    "test_special": lambda plain: plain.but(save_total_limit=0),  # keeps what it resumes from
    "test_ignored_labels": lambda plain: plain.but(
        companions=True, batch_size=2 * plain.batch_size
    ),
}
_BY_HAND = ("*_reference", "test_generated", "test_accumulation")


def _exact(scenario: Scenario) -> bool:
    """Whether the loss can be computed by hand in the same arithmetic."""
    mixed = scenario.bf16 or scenario.base_dtype != "float32"
    return not mixed and not scenario.recipe.tasks


def _followed(scenario: Scenario) -> bool:
    """Whether that can be done beside the training, which must then draw no random numbers."""
    return _exact(scenario) and not scenario.stochastic


def _stepped(scenario: Scenario) -> bool:
    """Whether a step can be taken by hand with an optimizer of torch's own."""
    return _followed(scenario) and scenario.optimizer in ("adamw_torch", "adamw_torch_fused", "sgd")


_WHEN = {"loss": _followed, "evaluation": _exact}


_CHAPTERS = tuple(f"{chapter}.*" for chapter in (*_TRAINED, *_ALSO_TRAINED))
_SAID = {  # by what a case says that it found, whatever clause it found it for
    "^(base parameters and buffers|packed weights|quantization settings|the head itself"
    "|tensors that are not quantized|biases of quantized layers)": (
        *("frozen", "frozen.bit-identical"),
    ),
    "^parameters that are no longer what": ("frozen", "frozen.requires-grad-kept"),
    "^(base gradients|base parameters with a gr)": ("frozen", "frozen.no-gradient"),
    "^parameters (of the optimizer|held more)": ("frozen", "frozen.optimizer-groups"),
    "^the inactive adapter": ("frozen", "frozen.inactive-adapters"),
    "^(logits|outputs) with the adapter disabled": ("frozen", "frozen.disabled-logits"),
    "^training: tensors that did not change": ("frozen", "adapter.every-parameter-moves"),
    "^(files of full models|base weights) in": ("checkpoint", "checkpoint.adapter-only"),
    r"^(the adapter file|tensors) in checkpoint-\d": ("checkpoint", "checkpoint.complete"),
    r"^(the adapter loaded|logits) from checkpoint": ("checkpoint", "checkpoint.round-trip"),
    "^(the adapter loaded|logits) from final": ("checkpoint", "checkpoint.final-save"),
    "^files of state": ("checkpoint", "checkpoint.save-only-model"),
    "^the loss (logged at|of) step": ("loss", "loss.reference"),
    "^eval_loss at step": ("evaluation", "evaluation.loss-present"),
    r"^(resumed at \d+, step \d+: |the dtype of .* after the resume)": (
        *("resume", "resume.equals-uninterrupted"),
    ),
    "^optimizer steps\n": ("output", "output.global-step"),
    "^(clipped gradients of|grad_norm logged at) step": ("clipping", "loop.clipping"),
}
_RESUMED_TESTS = (
    *("test_sweep*", "test_every_step", "test_special", "test_generated", "test_resume"),
    *("test_optimizer_in_8_bits", "test_state_dicts_resume"),
    *("test_resume_arguments*", "test_after_a_pass_over_streamed_data", "test_arguments_resume*"),
)
_RESTORED = tuple(
    f"test_restores_{what}"
    for what in (
        "adapter",
        "optimizer",
        "schedule",
        "random_numbers",
        "data_position",
        "loghistory",
    )
)
_RESUMES = (  # what a resume that is not the rest of the training shows first
    "^(steps taken after|(the optimizer|the scheduler|the adapter) (as resumed|at the end|left)"
    r"|the next rates|states of torch|step \d+: |the first (entries|step taken)|the training"
    "|log history|global_step|epoch|total_flos)"
)

RULES = (
    *chapters.RULES,
    Rule("completes", "", _CHAPTERS, says=FAILED.pattern),
    Rule(
        "loss", "", ("output.training-loss",), ("*_of_the_reference",), "^training_loss", _followed
    ),
    Rule(
        "loss",
        "",
        ("loss.ignored-labels", "detection.steers-loading"),
        says="^the (loss of step|first step's loss)",
        when=_followed,
    ),
    Rule(
        "stepped",
        "",
        ("loop.reference",),
        says="^(the loss|gradients|the adapter) of step",
        when=_stepped,
        tells=moments.stepped,
    ),
    Rule(
        "stepped",
        "",
        ("accumulation.equivalent", "quantized.accumulation", "quantized.reference"),
        says="^(gradients|the adapter) of step",
        when=_stepped,
        tells=moments.stepped,
    ),
    Rule("clipping", "", ("loop.clipping",), ("test_no_clipping",), "^gradients of step"),
    Rule("resume", "", ("output.global-step",), ("test_global_step_over_a_resume",)),
    Rule("resume", "", ("resume.restores-each",), ("test_restores_p_tuning",), "^the adapter as"),
    Rule("resume", "", ("resume.*",), ("test_logged_loss_across_the_checkpoint",), "^log history"),
    *(
        Rule("resume", "", clauses, tests, _RESUMES, tells=tells)
        for clauses, tests, tells in (
            (("resume.equals-uninterrupted", "*.resume"), _RESUMED_TESTS, lambda _, __: {}),
            (("resume.restores-each",), _RESTORED, lambda _, __: {"resumed_at": 2}),
            (("resume.path",), ("test_path",), lambda _, __: {"resumed_at": 3}),
        )
    ),
    Rule("checkpoint", "", ("checkpoint.cadence",), ("test_cadence",)),
    Rule(
        "checkpoint", "", ("checkpoint.best-model",), ("test_best_model",), "^the adapter left in"
    ),
    Rule("output", "", ("output.global-step",), ("test_global_step", "test_arguments_global_step")),
    Rule("output", "", ("output.training-loss",), ("test_training_loss",)),
    *(
        Rule("output", "", (f"output.{name}",), tests, says)
        for name, tests, says in (
            ("named-tuple", ("test_named_tuple",), ""),
            ("metrics-keys", ("test_metrics_keys", "test_metrics_keys_without_progress_bar"), ""),
            ("metrics-values", ("test_metrics_values",), "^(metrics that|train_loss)"),
            ("metrics-values", ("test_speeds",), ""),
            ("epoch", ("test_epoch", "test_epoch_of_lengths"), ""),
        )
    ),
    *(
        Rule(
            template,
            check,
            _CHAPTERS,
            {"loss": _BY_HAND, "evaluation": _BY_HAND, "resume": _RESUMED_TESTS}.get(
                template, ("*",)
            ),
            says,
            _WHEN.get(template, lambda _: True),
        )
        for says, (template, check) in _SAID.items()
    ),
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
    def check(self) -> str:
        """The clause whose check it is."""
        return self.rule.check or self.case.clause

    @property
    def resumes(self) -> bool:
        """Whether the test resumes what it trains."""
        return self.rule.template == "resume" or _among(_RESUMING, self.case.clause, self.test)

    @property
    def resumed_at(self) -> int:
        """The step after which the case resumed; raises `NoScript` when there is none."""
        if told := _RESUMED.search(self.case.message):
            return int(told.group(1) or told.group(2))
        saved = moments.saved_at(self.scenario)
        if inside := [step for step in saved if step < self.scenario.steps]:
            return inside[len(inside) // 2]
        raise NoScript("no checkpoint to resume from is known")

    @property
    def ends_in(self) -> str:
        """The type of the exception that the case ended in; may be empty."""
        found, said = raised(self.case), FAILED.match(self.case.message)
        return found.type if found else said.group(1) if said else ""

    @property
    def about(self) -> dict[str, Any]:
        """What the templates are told besides the scenario's parts."""
        error, phase = found.groups() if (found := FAILED.match(self.case.message)) else ("", "")
        across = self.test == "test_logged_loss_across_the_checkpoint"
        return {
            "check": self.check,
            "test": self.test,
            "error": error,
            "phase": phase,
            "resumes": self.resumes,
            "resumed_at": self.resumed_at if self.resumes else 0,
            "torn": "" if across else ' and n != "loss"',
            "cadence": moments.saved_at(self.scenario),
            "logged": moments.every(self.scenario.logging_steps, self.scenario),
            **self.rule.told(self.case, self.scenario),
        }


def shown(case: Case) -> Shown:
    """What a script for this case has to show; raises `NoScript`."""
    if case.verdict in (Verdict.CRASH, Verdict.TIMEOUT):
        raise NoScript("no stand-alone script for what crashes or hangs")
    test = case.id.partition("[")[0]
    try:
        scenario = _scenario(case)
    except (TypeError, ValueError) as error:
        raise NoScript(f"no stand-alone script: no scenario: {error}") from error
    if scenario is None and case.clause.startswith("signature."):  # of which it takes none
        scenario = Scenario()
    if scenario is None:
        raise NoScript("no stand-alone script for a test without a scenario")
    for reason, met in not_written(scenario).items():
        if met:
            raise NoScript(f"no stand-alone script: {reason}")
    treated = _among(_TREATED, case.clause, test)
    rules = hurting.RULES if treated else RULES
    rule = next((r for r in rules if r.concerns(case, test, scenario)), None)
    if rule is None:
        raise NoScript(f"no stand-alone script for this clause: {why(case.clause)}")
    if test in _TRAINED_AS:
        scenario = _TRAINED_AS[test](scenario)
    return Shown(case, test, rule, scenario)


def _among(patterns: Iterable[tuple[str, str]], clause: str, test: str) -> bool:
    """Whether a pair of shell patterns is of this clause and this test."""
    return any(fnmatchcase(clause, one) and fnmatchcase(test, other) for one, other in patterns)


def _scenario(case: Case) -> Scenario | None:
    """The scenario that was trained: the one that the message names, or the case's own."""
    if named := _SCENARIO.findall(case.message):
        return Scenario.from_repr(named[-1])
    if case.clause == "recipes.without-gpu":  # which names the example instead
        return EXAMPLES.get(case.id.partition("[")[2].rstrip("]"))
    own = Scenario.from_json(case.scenario)
    if architecture := case.evidence.get("architecture"):  # which the test sets by itself
        own = own.but(architecture=str(architecture))
    return own if "[" in case.id else None
