from dataclasses import replace

import pytest

from conformance.records import Case, ClauseResult, Record, Verdict
from conformance.reports.groups import clean
from conformance.reports.model import ChapterView, ClauseView, view
from conformance.reports.summary import sentence

FROZEN = "frozen.bit-identical"


def of(record: Record, clause: str) -> ClauseView:
    return next(found for found in view(record).clauses if found.id == clause)


def one(record: Record, level: str, verdict: str, **changes: object) -> Record:
    clause = ClauseResult("a.b", "a", level, Verdict(verdict))
    return replace(record, clauses=(clause,), timing={}, **changes)  # type: ignore[arg-type]


def test_worst_first(record: Record) -> None:
    verdicts = [clause.verdict for clause in view(record).clauses]
    assert verdicts[:4] == [Verdict.CRASH, Verdict.TIMEOUT, Verdict.FAIL, Verdict.FIXED]
    assert verdicts[-1] is Verdict.NOT_RUN


def test_alike_cases_are_shown_once(record: Record) -> None:
    (group,) = of(record, FROZEN).groups
    assert (group.verdict, len(group.cases)) == (Verdict.FAIL, 2)
    assert group.example.id == "llama-wrapped-lora,seed=1"
    assert group.evidence == "compared=21, largest_difference=0.001, kind=f32, ok=True"


def test_cases_with_other_headlines_stay_apart() -> None:
    given = [("a\n1", "fail"), ("b", "fail"), ("b", "fail"), ("a\n2", "crash"), ("", "pass")]
    cases = tuple(Case(str(n), "x", {}, Verdict(v), message=m) for n, (m, v) in enumerate(given))
    groups = ClauseView(ClauseResult("x", "c", "MUST", Verdict.FAIL, "", cases), "", "").groups
    found = [(str(group.verdict), group.headline, len(group.cases)) for group in groups]
    assert found == [("crash", "a", 1), ("fail", "b", 2), ("fail", "a", 1)]


def test_statements_come_from_the_contract(record: Record) -> None:
    assert "base" in of(record, FROZEN).statement
    assert of(record, "gone.clause").statement == ""


def test_measured_extremes_are_those_of_passing_cases(record: Record) -> None:
    compared, largest = of(record, "output.named-tuple").extremes
    assert compared == ("compared", "21", "21", "21", "")
    assert largest == ("largest_difference", "0", "0.001", "0.001", "llama-wrapped-lora,seed=1")


def test_cases_are_tallied_worst_first(record: Record) -> None:
    assert of(record, "checkpoint.adapter-only").tally == "1 crash, 1 not-run"
    assert of(record, FROZEN).seconds == 0.75


def test_chapter_counts(record: Record) -> None:
    (chapter,) = (found for found in view(record).chapters if found.name == "output")
    assert isinstance(chapter, ChapterView)
    assert {str(verdict): n for verdict, n in chapter.counts.items()} == {
        "fixed": 1,
        "deviation": 1,
        "pass": 1,
    }


def test_reasons_for_not_running(record: Record) -> None:
    assert view(record).not_run["no test yet"] == ("loss.x",)


def test_clean_keeps_text_and_drops_what_xml_forbids() -> None:
    assert clean("a\x1b[1;31mb\x1b[0m\x00\x07\ud800\ufffe é 漢 😀\n\t<&>") == "ab é 漢 😀\n\t<&>"


@pytest.mark.parametrize(
    ("level", "verdict", "strict", "expected"),
    [
        ("MUST", "pass", False, "conforms: 1 clause passes · 0 cases"),
        ("MUST", "fail", False, "does not conform: 1 clause fails · 0 cases"),
        ("SHOULD", "fail", False, "conforms: 1 clause fails · 0 cases"),
        ("SHOULD", "fixed", True, "does not conform: 1 fixed deviation · 0 cases"),
        ("MUST", "error", False, "cannot tell: 1 clause met an error of the harness · 0 cases"),
        ("MUST", "not-run", False, "judged nothing: 1 not run · 0 cases"),
    ],
)
def test_sentences(record: Record, level: str, verdict: str, strict: bool, expected: str) -> None:
    assert sentence(one(record, level, verdict, strict=strict)) == expected


def test_the_sentence_says_what_it_cost(record: Record) -> None:
    assert sentence(record).endswith(
        "· 12 cases · 96 s (imports 9 s, training 70 s, reference 2 s, overhead 15 s, "
        "412 trainings) · peak 1.1 GiB"
    )
    assert sentence(replace(record, timing={"wall": 3.0})).endswith("cases · 3 s")


def test_an_empty_record(record: Record) -> None:
    empty = replace(record, clauses=(), timing={})
    assert sentence(empty) == "judged nothing: no clauses · 0 cases"
    assert view(empty).alarming == ()
