"""What the scripts of chapter recipes are told: an example of the documentation, as it is run."""

import ast
import textwrap
from importlib import resources
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario
from conformance.scenarios.documented import EVERY_STEP, FOR_A_CPU, WRAPPED

from .rule import Rule

_WIDEST = 90
_WITHOUT = ("import ", "from ")  # what the script's own header says
_REPLACED = {
    '"meta-llama/Llama-2-7b-hf"': "published",
    '"./lora-output"': "folder",
    '"./qlora-output"': "folder",
    "trainer = Trainer(": "return Watched(",
    "=train_dataset": "=EXAMPLES",
    "=eval_dataset": "=EVALUATED",
}


def example(case: Case, scenario: Scenario) -> dict[str, Any]:
    """The example's ``code`` up to its training, as it is run, and as it is ``written``."""
    name = "qlora" if scenario.bf16 else "lora"
    test, _, inside = case.id.partition("[")
    changed = [EVERY_STEP] if test == "test_resumed_qlora" else []
    changed += [] if scenario.native else [WRAPPED]
    plain = _code(name, [*changed, FOR_A_CPU[name]])
    written = _code(name, changed)
    as_written = inside.endswith("as-written]")
    return {
        "example": name,
        "code": written if as_written else plain,
        "written": written,
        "half": "fp16" if name == "lora" else "bf16",
        "hidden": {"hidden_size": 64, "intermediate_size": 64},
    }


def _code(name: str, changed: list[tuple[str, str]]) -> str:
    """The body of a function that gives the Trainer; the base is looked at as it is loaded."""
    text = resources.files("conformance.running").joinpath("examples", f"{name}.txt").read_text()
    for word, by in changed:
        text = text.replace(word, by)
    lines = []
    for node in ast.parse(text).body[:-1]:
        source = ast.get_source_segment(text, node) or ""
        if not source.startswith(_WITHOUT):
            lines.append(_laid_out(node, source))
        if source.startswith("model = AutoModel"):
            lines.append("loaded.update(held(model))")
    code = "\n".join(lines)
    for word, by in _REPLACED.items():
        code = code.replace(word, by)
    return textwrap.indent(code, "    ")


def _laid_out(node: ast.stmt, source: str) -> str:
    """A statement; a call on too long a line with one argument a line."""
    call = getattr(node, "value", None)
    if len(source) < _WIDEST or "\n" in source or not isinstance(call, ast.Call):
        return source
    rows = (
        f"    {ast.unparse(each)},\n".replace("'", '"') for each in (*call.args, *call.keywords)
    )
    return f"{source[: source.index('(') + 1]}\n{''.join(rows)})"


RULES = (
    Rule("recipe", "recipes.run", ("recipes.lora", "recipes.qlora"), tells=example),
    Rule("recipe", "recipes.without-gpu", ("recipes.without-gpu",), tells=example),
    Rule("recipe", "recipes.resumed", ("recipes.resumed",), tells=example),
)
