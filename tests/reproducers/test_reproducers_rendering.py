"""Scripts are Python that needs the libraries alone, and say what they are about."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.contract import load
from conformance.records import Case, Verdict, stack
from conformance.reproducers.literals import literal
from conformance.reproducers.rendering import render
from conformance.reproducers.rule import NoScript, Rule
from conformance.reproducers.rules import RULES, Shown, shown
from conformance.reproducers.trying import alone
from conformance.scenarios import RECIPES, Injection, Scenario, core_families

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIBRARIES = {
    *("accelerate", "numpy", "peft", "safetensors", "torch", "transformers"),
    *("bitsandbytes", "optuna", "tensorboard"),  # of what the Trainer integrates with
}
BASE = Scenario(save="steps", save_steps=2, epochs=2.0)


def checks() -> list[tuple[str, Rule]]:
    """Each part of each template, by the clause whose check it is."""
    found: dict[str, Rule] = {}
    for rule in RULES:
        for clause in [rule.check] if rule.check else rule.clauses:
            found.setdefault(clause.replace("*", "x"), rule)
    return sorted(found.items())


CHECKS = checks()


NOTED = {  # what tests of some chapters note, as evidence
    "sampled": "{'learning_rate': (0.1, 0.2)}",
    "given": "{}",
    "lora": "{'init_lora_weights': False}",
    "asked": "[('on_step_end', 1, 'should_save', True)]",
    "scores": "[2.0, 1.0]",
    "whole": "[2.0, 1.0]",
    "stoppings": "[(1, 0.0, False)]",
    "raising": "('on_save', 1)",
}
INSIDE = {
    "resume.damage-noticed": "scheduler.pt-empty",
    "resume.damaged-refused": "x-adapter_model*",
}
STORY = """the story, with Scenario():
1. add adapter 'default'
2. train 'default' for 1 steps
3. save with save_pretrained
4. load saved adapter 'default' as 'second' and activate it
5. merge safely
"""


def script_for(clause: str, rule: Rule, scenario: Scenario, message: str = "") -> str:
    case = case_for(clause, rule, scenario, message)
    return render(Shown(case, case.id.partition("[")[0], rule, scenario), stack(), "it.py")


def case_for(clause: str, rule: Rule, scenario: Scenario, message: str = "") -> Case:
    known = next((each.id for each in load().clauses if each.id == clause), rule.clauses[0])
    known = known if "*" not in known else "frozen.bit-identical"
    said = f"{message}\n{STORY}" if rule.template == "lifecycle" else message
    test = rule.tests[0].replace("*", "x")
    inside = INSIDE.get(clause, "x-1")
    return Case(f"{test}[{inside}]", known, scenario.changed(), Verdict.FAIL, NOTED, message=said)


def imported(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


# ---- what is written ------------------------------------------------------------------------


@pytest.mark.parametrize(("clause", "rule"), CHECKS, ids=[name for name, _ in CHECKS])
def test_every_check_is_clean_python_of_the_libraries_alone(
    tmp_path: Path, clause: str, rule: Rule
) -> None:
    evaluated = {"evaluate": "steps"} if rule.template == "evaluation" else {}
    for number, scenario in enumerate(each.but(**evaluated) for each in scenarios_for(rule)):
        text = script_for(clause, rule, scenario, "ValueError in phase train: no")
        compile(text, "it.py", "exec")
        assert imported(text) <= LIBRARIES | set(sys.stdlib_module_names)
        (tmp_path / f"script{number}.py").write_text(text, encoding="utf-8")
    config = Path(__file__).parents[2] / "pyproject.toml"
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", config, tmp_path]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def various() -> list[Scenario]:
    """Scenarios that use different parts of the templates."""
    return [
        *(
            BASE.but(architecture=name, injection=how)
            for name in core_families()[:2]
            for how in BOTH
        ),
        BASE.but(architecture="t5", adapter="named", custom_loss=True, accumulation=2),
        BASE.but(architecture="bert", adapter="two-adapters", evaluate="steps", load_best=True),
        BASE.but(injection="add_adapter", adapter="two-adapters", label_smoothing=0.1),
        BASE.but(adapter="second-of-two", save="steps"),
        BASE.but(iterable="sized", base_dtype="bfloat16", autocast_adapter=False),
        BASE.but(adapter="adalora", logging_steps=2, schedule="cosine_with_restarts"),
        BASE.but(adapter="multitask-prompt"),
    ]


def scenarios_for(rule: Rule) -> list[Scenario]:
    """Scenarios that a rule may be about."""
    grouped = [BASE.but(sampling="group_by_length")]
    own = {"quantizing": QUANTIZED, "alike": LAUNCHED, "together": LAUNCHED, "grouped": grouped}
    others = [*QUANTIZED, *LAUNCHED, *PICTURED] if rule.template in EVERYWHERE else []
    return own.get(rule.template, [*various(), *others])


EVERYWHERE = ("frozen", "checkpoint", "resume", "output", "completes")
QUANTIZED = [
    BASE.but(quantization="nf4", kbit_prepared=True, gradient_checkpointing="reentrant"),
    BASE.but(architecture="bert", quantization="int8", device_map="auto"),
]
LAUNCHED = [BASE.but(launch=launch, evaluate="steps") for launch in ("ddp", "fsdp2")]
PICTURED = [BASE.but(architecture=name) for name in ("vit", "whisper", "llava")]
BOTH = tuple(Injection)


@pytest.mark.parametrize("adapter", [n for n, recipe in RECIPES.items() if not recipe.experts])
def test_every_recipe_can_be_written(adapter: str) -> None:
    (rule,) = (rule for rule in RULES if rule.check == "frozen.bit-identical")
    fitting = next(n for n in core_families() if RECIPES[adapter].fits(Scenario(n).family))
    text = script_for("frozen.bit-identical", rule, BASE.but(adapter=adapter, architecture=fitting))
    compile(text, "it.py", "exec")
    assert f"return {RECIPES[adapter].config}(" in text


def test_the_header_pins_the_stack_as_inline_metadata() -> None:
    (rule,) = (rule for rule in RULES if rule.check == "frozen.bit-identical")
    text = script_for("frozen.bit-identical", rule, BASE)
    lines = text.partition("# /// script\n")[2].partition("# ///\n")[0].splitlines()
    metadata = tomllib.loads("\n".join(line.removeprefix("#").strip() for line in lines))
    assert metadata["requires-python"] == f">={sys.version_info.major}.{sys.version_info.minor}"
    pinned = dict(each.split("==") for each in metadata["dependencies"])
    found = stack().packages
    assert pinned["transformers"] == found["transformers"]
    assert pinned["torch"] == found["torch"].partition("+")[0]  # a build's label is on no index


def test_the_docstring_holds_statement_and_message_whatever_they_contain() -> None:
    (rule,) = (rule for rule in RULES if rule.check == "frozen.bit-identical")
    text = script_for("frozen.bit-identical", rule, BASE, 'x \\d """ y\n  got: \\1')
    told = ast.get_docstring(ast.parse(text))
    assert told is not None
    assert told.startswith("frozen.bit-identical: After `train()` every parameter")
    assert "x \\d ''' y" in told
    assert "uv run it.py" in told


def test_what_is_violated_is_said_with_the_numbers(tmp_path: Path) -> None:
    (rule,) = (rule for rule in RULES if rule.template == "signature")
    text = script_for("signature.train-parameters", rule, BASE)
    path = tmp_path / "it.py"
    path.write_text(text.replace('"ignore_keys_for_eval"]', '"x"]'), encoding="utf-8")
    said = alone(path).said
    promise = "signature.train-parameters: Besides `self`, `Trainer.train` begins"
    assert promise in said
    assert said.index(promise) < said.index("violated: train() takes")


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -100, 2.5, None, True], "b": {"c": "d\n\"e'"}},
        [list(range(60)), {"input_ids": list(range(40)), "labels": 1}],
        {"x", "y"},
        (1,),
        [],
    ],
)
def test_literals_are_what_they_stand_for(value: object) -> None:
    text = literal(value)
    assert ast.literal_eval(text) == value
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_not_plain_has_no_literal() -> None:
    with pytest.raises(ValueError, match="object is no plain value"):
        literal([object()])


# ---- which cases have a script --------------------------------------------------------------


FROZEN = Case(
    "test_bit_identical[x]",
    "frozen.bit-identical",
    {"architecture": "bert"},
    Verdict.FAIL,
    message="base parameters and buffers\n  got: 1 of 43",
)


def test_a_case_is_shown_by_what_it_says() -> None:
    assert shown(FROZEN).scenario == Scenario(architecture="bert")
    assert (shown(FROZEN).rule.template, shown(FROZEN).check) == ("frozen", "frozen.bit-identical")
    other = replace(FROZEN, clause="methods.frozen", message="base gradients\n  got: 1")
    assert shown(other).check == "frozen.no-gradient"


def test_the_scenario_and_the_step_that_the_message_names_count() -> None:
    message = "resumed at 4, step 5: losses\nFalsifying: scenario=Scenario(seed=3, save='steps')"
    case = Case("test_generated", "resume.equals-uninterrupted", {}, Verdict.FAIL, message=message)
    assert shown(case).scenario == Scenario(seed=3, save="steps")
    assert shown(case).resumed_at == 4


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (replace(FROZEN, message="something else"), "for this clause"),
        (replace(FROZEN, verdict=Verdict.CRASH), "for what crashes"),
        (replace(FROZEN, id="test_bit_identical"), "without a scenario"),
        (replace(FROZEN, scenario={"quantization": "nf4", "dequantized": True}), "stand for"),
        (replace(FROZEN, scenario={"launch": "fsdp1"}), "FSDP 1 on a CPU needs torch mended"),
        (replace(FROZEN, scenario={"launch": "zero2"}), "ZeRO a compiler"),
        (
            replace(FROZEN, scenario={"launch": "fsdp2", "quantization": "nf4"}),
            "packed bases under",
        ),
        (replace(FROZEN, scenario={"adapter": "xlora"}), "made of others"),
        (
            replace(FROZEN, clause="resume.after-kill", message="OSError in phase train: no"),
            "for this clause",
        ),
    ],
)
def test_a_case_that_no_template_is_about_has_none(case: Case, reason: str) -> None:
    with pytest.raises(NoScript, match=f"^no stand-alone script.*{reason}"):
        shown(case)
