import json
from dataclasses import replace
from math import inf

import pytest

from conformance.records import (
    Case,
    ChangeKind,
    ClauseResult,
    EvidenceChange,
    Record,
    Verdict,
    compare,
)
from conformance.reports.upgrade import as_json, as_markdown


def measuring(record: Record, verdict: str = "pass", **cases: object) -> Record:
    """The record with one clause whose cases measured ``x`` to be these."""
    found = tuple(
        Case(name, "a.b", {}, Verdict(verdict), evidence={"x": value, "same": 1})  # type: ignore[dict-item]
        for name, value in cases.items()
    )
    clause = ClauseResult("a.b", "a", "MUST", Verdict(verdict), "", found)
    return replace(record, clauses=(clause,))


def test_what_moved_most_stands_for_all(record: Record) -> None:
    before = measuring(record, one=1.0, two=2.0, three=3.0, gone=1.0)
    after = measuring(record, one=1.5, two=4.0, three=3.0, new=1.0)
    assert compare(before, after).evidence == (
        EvidenceChange("a.b", "x", 2, 3, "two", 2.0, 4.0, 0.5),
    )


def test_numbers_to_texts(record: Record) -> None:
    (change,) = compare(measuring(record, one="a"), measuring(record, one=2.0)).evidence
    assert change.ratio == inf
    comparison = compare(measuring(record, one="a"), measuring(record, one="b"))
    assert json.loads(as_json(comparison, ("x", "y")))["evidence"][0]["ratio"] is None


def test_trainings_per_second(record: Record) -> None:
    faster = replace(record, timing={**record.timing, "training": 35.0})
    found = compare(record, faster).timing
    assert found["training"] == (70.0, 35.0)
    assert found["trainings_per_second"] == (5.89, 11.77)
    assert compare(record, replace(record, timing={})).timing == {}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "fail", ChangeKind.REGRESSED),
        ("not-run", "fail", ChangeKind.REGRESSED),
        ("pass", "not-run", ChangeKind.REGRESSED),
        ("fail", "pass", ChangeKind.FIXED),
        ("deviation", "fixed", ChangeKind.FIXED),
        ("fail", "deviation", ChangeKind.FIXED),
        ("not-run", "pass", ChangeKind.ADDED),
        ("not-run", "deviation", ChangeKind.ADDED),
        ("fail", "not-run", ChangeKind.REMOVED),
        ("pass", "deviation", ChangeKind.CHANGED),
        ("crash", "fail", ChangeKind.CHANGED),
    ],
)
def test_what_became_of_a_clause(record: Record, before: str, after: str, kind: ChangeKind) -> None:
    found = compare(measuring(record, before, one=1), measuring(record, after, one=1))
    (clause,) = found.clauses
    assert clause.kind is kind
    assert found.counts[kind.value] == 1
    assert f"## {kind.value.capitalize()}\n\n**a.b** MUST" in as_markdown(found, ("x", "y"))


def test_clauses_of_one_record_alone(record: Record) -> None:
    other = replace(record, clauses=())
    assert compare(measuring(record, one=1), other).counts["removed"] == 1
    assert compare(other, measuring(record, one=1)).counts["added"] == 1
    assert compare(record, record).counts["unchanged"] == len(record.clauses)


def test_runs_that_were_not_asked_for_the_same(record: Record) -> None:
    other = replace(record, profile="full", suite_version="9")
    asked = compare(record, other).asked
    assert asked == {"suite": ("0.1.0", "9"), "profile": ("quick", "full")}


def test_packages_that_came_along(record: Record) -> None:
    stack = replace(record.stack, others={"regex": "1", "requests": "2"})
    later = replace(stack, others={"regex": "2"})
    found = compare(replace(record, stack=stack), replace(record, stack=later))
    assert (found.stack, found.others) == ({}, {"regex": ("1", "2"), "requests": ("2", "")})
    text = as_markdown(found, ("x", "y"))
    assert "| regex | 1 | 2 |\n| requests | 2 | none |" in text
    assert Record.from_json(replace(record, stack=stack).to_json()).stack == stack
