import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from conformance.records import Case, ClauseResult, Record, Verdict, worst


def test_worst_verdict_follows_the_order() -> None:
    order = ["crash", "timeout", "fail", "error", "fixed", "deviation", "pass", "not-run"]
    for number, name in enumerate(order):
        assert worst(map(Verdict, reversed(order[number:]))) is Verdict(name)
    assert worst([]) is Verdict.NOT_RUN


def test_json_both_ways(record: Record) -> None:
    text = json.dumps(record.to_json(), allow_nan=False)
    assert Record.from_json(json.loads(text)) == record


def test_counts(record: Record) -> None:
    assert record.counts["not-run"] == 2
    assert sum(record.counts.values()) == len(record.clauses)
    assert record.case_counts["pass"] == 4
    assert "error" not in record.counts


def test_what_was_tried_is_added_up(record: Record) -> None:
    first, second = (
        Case(name, "a.b", {}, Verdict.PASS, {"tried SIGKILL: as unhurt": 2, **more})
        for name, more in (("x", {"tried x": 1, "resumes": 2}), ("y", {"tried SIGKILL: found": 1}))
    )
    hurt = replace(
        record, clauses=(ClauseResult("a.b", "a", "MUST", Verdict.PASS, "", (first, second)),)
    )
    assert hurt.to_json()["tried"] == {"SIGKILL": {"as unhurt": 4, "found": 1}}
    assert Record.from_json(hurt.to_json()) == hurt
    assert "tried" not in record.to_json()


def test_numbers_json_lacks_become_text() -> None:
    evidence = {"nan": float("nan"), "far": float("-inf"), "near": 0.5, "whole": 3, "yes": True}
    case = Case("a", "b", {"learning_rate": float("inf")}, Verdict.PASS, evidence)
    assert case.to_json()["scenario"] == {"learning_rate": "inf"}
    assert case.to_json()["evidence"] == {
        **evidence,
        "nan": "nan",
        "far": "-inf",
    }


def test_numbers_of_other_libraries_stay_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    evidence = {"f": numpy.float32(0.5), "i": numpy.int64(3), "other": ["x"]}
    found = Case("a", "b", {}, Verdict.PASS, evidence).to_json()["evidence"]
    assert found == {"f": 0.5, "i": 3, "other": "['x']"}
    assert [type(value) for value in found.values()] == [float, int, str]


@pytest.mark.parametrize(
    ("verdict", "level", "strict", "status"),
    [
        ("pass", "MUST", False, 0),
        ("deviation", "MUST", True, 0),
        ("not-run", "MUST", True, 2),
        ("fail", "MUST", False, 1),
        ("timeout", "MUST", False, 1),
        ("crash", "MUST", False, 1),
        ("fail", "SHOULD", False, 0),
        ("fail", "SHOULD", True, 1),
        ("fail", "OBSERVED", True, 0),
        ("fixed", "MUST", False, 0),
        ("fixed", "MUST", True, 1),
        ("fixed", "OBSERVED", True, 0),
        ("error", "OBSERVED", False, 2),
    ],
)
def test_exit_status(record: Record, verdict: str, level: str, strict: bool, status: int) -> None:
    clause = ClauseResult("a.b", "a", level, Verdict(verdict))
    assert replace(record, clauses=(clause,), strict=strict).exit_status == status


def test_a_failure_stands_beside_an_error(record: Record) -> None:
    clauses = [ClauseResult("a", "a", "MUST", v) for v in (Verdict.FAIL, Verdict.ERROR)]
    assert replace(record, clauses=tuple(clauses)).exit_status == 1
    assert replace(record, clauses=tuple(clauses[1:])).exit_status == 2


def test_judged_cases_are_those_that_ran(record: Record) -> None:
    judged: Mapping[str, int] = {clause.id: clause.judged for clause in record.clauses}
    assert judged["checkpoint.adapter-only"] == 1
    assert judged["loss.x"] == 0
