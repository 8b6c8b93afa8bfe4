"""Nothing that a record says becomes a statement of a script, which is run."""

import ast
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache

import pytest
from test_reproducers_rendering import BASE, CHECKS, NOTED, case_for, scenarios_for

from conformance.compat import Unavailable
from conformance.records import Case, Stack, stack
from conformance.reproducers import rendering
from conformance.reproducers.literals import keywords, literal
from conformance.reproducers.rendering import render
from conformance.reproducers.rule import NoScript, Rule
from conformance.reproducers.rules import Shown, shown
from conformance.scenarios import Scenario

CODE = 'x"); import os; os.system("touch x"); damaged = Path("y-empty'
LINES = '"""\nimport os\nos.system("touch x")\n# ///\n"""\r\n\'\'\'\\\u2028import os\x00\x0c\ud800'
HOSTILE = (CODE, LINES, f"1, __import__('os').system({CODE!r})", '""" + exec("1") + """')
INSIDE = ("x", "x-0", "x-2")  # by which some rules choose
ROWS = [f"1)\n{CODE}", {CODE: 1, LINES: 2}, (CODE, LINES), [(CODE, CODE, CODE)], [CODE]]


def hostile_ones(case: Case, how: Stack) -> list[tuple[Case, Stack]]:
    """The case, and the stack, with one part of them hostile."""
    test = case.id.partition("[")[0]
    cases = [replace(case, message=f"{case.message}\n{each}\n") for each in HOSTILE]
    for each in HOSTILE:
        cases += [replace(case, id=f"{case.id[:-1]}-{each}]")] if each != LINES else []
        cases += [replace(case, id=f"{test}[{each}-empty]")]
    cases += [
        replace(case, evidence={**case.evidence, name: repr(value)})
        for name, said in NOTED.items()
        for value in (*ROWS, said.replace("'", f"'{CODE}", 1))
        if NEEDS[name](case)
    ]
    packages = dict.fromkeys(how.packages, f'1.0",\n# ]\n# ///\n{LINES}')
    stacks = [replace(how, packages=packages), replace(how, python=f"3.11\n{LINES}")]
    return [*((each, how) for each in cases), *((case, each) for each in stacks)]


NEEDS = {
    "sampled": lambda case: case.clause.startswith("search."),
    "given": lambda case: case.clause.startswith("search."),
    "lora": lambda case: case.clause in ("lifecycle.merge", "checkpoint.any-config"),
    **dict.fromkeys(
        ("asked", "scores", "whole", "stoppings", "raising"),
        lambda case: case.clause.startswith("callbacks."),
    ),
}


class Shape(ast.NodeTransformer):
    """Replaces every plain value by the same one."""

    def visit(self, node: ast.AST) -> ast.AST:
        """Statements and calls stay; names of what is imported do not count."""
        if isinstance(node, ast.expr):
            try:
                ast.literal_eval(node)
            except (ValueError, TypeError):
                return self.generic_visit(node)
            return ast.Constant(0)
        return self.generic_visit(node)


@cache
def statements(text: str) -> list[str]:
    body = [n for n in ast.parse(text).body if not isinstance(n, ast.Import | ast.ImportFrom)]
    return [ast.dump(Shape().visit(node)) for node in body]


def below(text: str) -> str:
    """What is below the docstring; raises `AssertionError` when there is none, or no Python."""
    first, *_ = ast.parse(text).body
    assert isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return "\n".join(text.split("\n")[first.end_lineno :])


def head(text: str) -> list[str]:
    """The lines before the docstring, but for what they say."""
    return [line.partition('"')[0] for line in text.partition('\n"""')[0].splitlines()]


PARTS, TRAINED = cache(rendering.parts), cache(rendering.trained_in_base)  # which build models


@cache
def scenario_of(rule: Rule) -> Scenario:
    evaluated = {"evaluate": "steps"} if rule.template == "evaluation" else {}
    return scenarios_for(rule)[0].but(**evaluated)


def written(rule: Rule, cases: list[tuple[Case, Stack]]) -> Iterator[str]:
    """The scripts of cases, of those that have one."""
    for case, how in cases:
        test = case.id.partition("[")[0]
        with suppress(NoScript, Unavailable):
            yield render(Shown(case, test, rule, scenario_of(rule)), how, "it.py")


@pytest.mark.parametrize(("clause", "rule"), CHECKS, ids=[name for name, _ in CHECKS])
def test_no_text_of_a_case_is_a_statement(
    clause: str, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements are those of the harmless case's script, but for plain values; or it has none."""
    monkeypatch.setattr(rendering, "parts", PARTS)
    monkeypatch.setattr(rendering, "trained_in_base", TRAINED)
    case = case_for(clause, rule, scenario_of(rule), "ValueError in phase train: no")
    test = case.id.partition("[")[0]
    harmless = list(written(rule, [(replace(case, id=f"{test}[{x}]"), stack()) for x in INSIDE]))
    harmless += written(rule, [(case, stack())])
    known = {below(text) for text in harmless}
    for text in written(rule, hostile_ones(case, stack())):
        if below(text) not in known:
            assert statements(below(text)) in [statements(each) for each in known]
        assert set(head(text)) <= set(head(harmless[-1]))
        assert text.encode()


@pytest.mark.parametrize("value", [CODE, 1e999, ["0.1"], None])
@pytest.mark.parametrize("name", sorted(Scenario.__dataclass_fields__))
def test_no_value_of_a_scenario_is_a_statement(name: str, value: object) -> None:
    case = replace(case_for("loop.clipping", CHECKS[0][1], BASE), scenario={name: value})
    with pytest.raises(NoScript, match="no stand-alone script"):
        shown(replace(case, clause="frozen.bit-identical", message="base parameters and buffers"))


@pytest.mark.parametrize("value", [*HOSTILE, float("inf"), -float("inf"), {CODE: [float("inf")]}])
def test_a_literal_is_the_value_and_printable(value: object) -> None:
    text = literal(value)
    assert text.isprintable()
    assert eval(text, {"__builtins__": {"float": float}}) == value


def test_only_names_are_keywords() -> None:
    with pytest.raises(ValueError, match="is no name"):
        keywords({"r=1), print(": 1}, "")
