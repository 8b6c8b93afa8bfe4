"""Failures of one cause are found by what their messages say, and by nothing less."""

from dataclasses import replace

import pytest

from conformance.records import Case, ClauseResult, Record, Verdict, causes, compare
from conformance.records.raised import raised

FRAMES = """
  File "/opt/site-packages/_pytest/python.py", line 166, in pytest_pyfunc_call
  File "{0}", line 7, in first
  File "{1}", line 8, in second"""
PEFT = "/x/site-packages/peft/tuners/lora/layer.py"
TORCH = "/x/site-packages/torch/nn/functional.py"
OURS = "/x/conformance/suite/test_frozen.py"
INSTALLED = "/x/site-packages/conformance/suite/test_frozen.py"
STANDARD = "/usr/lib/python3.11/json/decoder.py"


def failing(record: Record, *messages: str, **changes: str) -> Record:
    """The record with one clause for each message, failed by one case."""
    clauses = []
    for number, message in enumerate(messages):
        case = Case("x", f"a.b{number}", {}, Verdict.FAIL, message=message, **changes)
        clauses.append(ClauseResult(case.clause, "a", "MUST", Verdict.FAIL, "", (case,)))
    return replace(record, clauses=tuple(clauses))


def says(error: str, *files: str) -> str:
    return error + FRAMES.format(*files)


def test_one_cause_of_several_clauses_is_found_once(one_cause: Record) -> None:
    (cause,) = causes(one_cause)
    assert cause.said.startswith("ValueError: The version of PEFT, 0.21.2, is too old")
    assert cause.place == "transformers/utils/peft_utils.py:113, in check_peft_version"
    assert cause.clauses == (
        "injection.add-adapter", "injection.equivalent", "loop.clipping", "methods.native-refused",
    )  # fmt: skip
    assert [case.id for case in cause.unjudged] == ["x"]
    assert cause.not_judged == ("precision.bf16",)


def test_what_a_check_itself_found_stays_as_it_is(one_cause: Record) -> None:
    (cause,) = causes(one_cause)
    (clipping,) = (case for case in cause.cases if case.clause == "loop.clipping")
    assert clipping.id == "llama-wrapped-lora,seed=0"
    assert causes(failing(one_cause, "base gradients\n  got: 3", "base gradients\n  got: 4")) == ()


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ((PEFT, STANDARD), "peft/tuners/lora/layer.py:7, in first"),
        ((PEFT, TORCH), "peft/tuners/lora/layer.py:7, in first"),
        ((OURS, TORCH), "torch/nn/functional.py:8, in second"),
        (("/home/me/transformers/src/peft/a.py", TORCH), "peft/a.py:7, in first"),
        ((PEFT, OURS), ""),
        ((PEFT, INSTALLED), ""),
        ((OURS, STANDARD), ""),
    ],
)
def test_the_place_is_the_innermost_of_a_library(files: tuple[str, str], place: str) -> None:
    case = Case("x", "a.b", {}, Verdict.FAIL, message=says("KeyError('q')", *files))
    found = raised(case)
    assert (found.place if found else "") == place


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("KeyError('q')", "KeyError('q')", True),
        ("OSError('no /a/b.json')", "OSError('no /c/d/e.json')", True),
        ("ValueError('of 3 rows')", "ValueError('of 17.5 rows')", True),
        ("ValueError('LlamaForCausalLM has none')", "ValueError('T5Model has none')", True),
        ("ValueError('in Scenario(seed=1)')", "ValueError('in Scenario(seed=2)')", True),
        ("ValueError('gone')", "ValueError in phase train: gone", True),
        ("ValueError('a')", "ValueError('b')", False),
        ("ValueError('a')", "TypeError('a')", False),
    ],
)
def test_messages_are_the_same_but_for_the_scenario(
    record: Record, one: str, other: str, together: bool
) -> None:
    said = (says(error, PEFT, STANDARD) for error in (one, other))
    assert len(causes(failing(record, *said))) == together


def test_names_of_scenarios_are_taken_out(record: Record) -> None:
    names = ("t5", "bert")
    given = failing(record, *(says(f"ValueError('no {n}')", PEFT, STANDARD) for n in names))
    assert causes(given) == ()
    named = [
        replace(clause, cases=(replace(clause.cases[0], scenario={"architecture": name}),))
        for clause, name in zip(given.clauses, names, strict=True)
    ]
    assert len(causes(replace(given, clauses=tuple(named)))) == 1


def test_one_place_and_another_are_two_causes(record: Record) -> None:
    said = [says("KeyError('q')", PEFT, STANDARD), says("KeyError('q')", STANDARD, PEFT)]
    found = causes(failing(record, *said, *said, "the message\n  got: KeyError: q"))
    assert [len(cause.clauses) for cause in found] == [2, 2]


def test_what_looks_like_one_known_deviation_is_of_one_cause(record: Record) -> None:
    (cause,) = causes(failing(record, "logits", "gradients", deviation="native-resume"))
    assert (cause.deviation, cause.said, len(cause.clauses)) == ("native-resume", "logits", 2)


def test_what_one_clause_alone_shows_is_no_cause(record: Record) -> None:
    assert causes(failing(record, says("KeyError('q')", PEFT, STANDARD))) == ()
    assert causes(record) == ()


def test_comparisons_tell_of_causes_by_what_got_worse(one_cause: Record) -> None:
    green = {"injection.add-adapter", "injection.equivalent", "precision.bf16"}
    before = [
        replace(
            clause,
            verdict=Verdict.PASS,
            cases=tuple(replace(case, verdict=Verdict.PASS) for case in clause.cases),
        )
        if clause.id in green
        else clause
        for clause in one_cause.clauses
    ]
    found = compare(replace(one_cause, clauses=tuple(before)), one_cause)
    (cause,) = found.causes
    assert cause.not_judged == ("precision.bf16",)
    assert set(cause.clauses) == green - {"precision.bf16"}
    assert {clause.id for clause in found.clauses} == green
    assert found.apart == ()
