"""What is told of a baseline that is rewritten."""

from dataclasses import replace

from conformance.records import Case, ClauseResult, Record, Verdict
from conformance.rewriting import differences


def of(record: Record, **verdicts: Verdict) -> Record:
    cases = tuple(Case(name, "a.b", {}, verdict) for name, verdict in verdicts.items())
    return replace(record, clauses=(ClauseResult("a.b", "a", "MUST", Verdict.PASS, "", cases),))


def test_cases_and_verdicts_that_are_lost_and_gained(record: Record) -> None:
    before = of(record, a=Verdict.PASS, b=Verdict.PASS, c=Verdict.DEVIATION)
    after = of(record, b=Verdict.NOT_RUN, c=Verdict.PASS, d=Verdict.PASS, e=Verdict.PASS)
    assert list(differences(before, after))[:2] == [
        "lost: 1 case (a.b 1)",
        "gained: 2 cases (a.b 2)",
    ]
    (turned,) = list(differences(before, after))[2:]
    assert turned.startswith("verdicts that are others: 2 cases (")
    assert "pass → not-run 1" in turned


def test_nothing_changed(record: Record) -> None:
    assert list(differences(record, record)) == ["the same cases and verdicts as before"]
