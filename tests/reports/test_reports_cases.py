"""A clause in HTML opens to all its cases."""

from dataclasses import replace

from every import Open

from conformance.records import Case, Record, Verdict
from conformance.reports import render


def test_each_case_is_there_with_its_verdict_worst_first(opened: Open, record: Record) -> None:
    page = opened(render(record, "html"), "#frozen.bit-identical")
    listed = page.locator("[id='frozen.bit-identical'] details", has=page.locator(".judged"))
    assert listed.locator("summary").inner_text() == "All 3 cases, by verdict"
    assert not listed.locator("ul").is_visible()
    listed.locator("summary").click()
    assert listed.locator("li").all_inner_texts() == [
        "fail llama-wrapped-lora,seed=1",
        "fail llama-wrapped-lora,seed=2",
        "pass llama-wrapped-lora,seed=0",
    ]


def test_no_more_of_them_than_a_page_holds(record: Record) -> None:
    clause = record.clauses[1]
    many = tuple(Case(f"many-{n}", clause.id, {}, Verdict.PASS) for n in range(203))
    text = render(replace(record, clauses=(replace(clause, cases=many),)), "html")
    assert text.count("<li>pass <code>many-") == 200
    assert "<li>… and 3 more, in record.json</li>" in text


def test_where_there_are_very_many_each_clause_lists_as_many_as_another(record: Record) -> None:
    clause = record.clauses[1]
    many = tuple(Case(f"many-{n}", clause.id, {}, Verdict.PASS) for n in range(100))
    clauses = tuple(replace(clause, id=f"a.b{n}", cases=many) for n in range(120))
    text = render(replace(record, clauses=clauses), "html")
    assert text.count("<li>pass <code>many-") == 6000
    assert text.count("<li>… and 50 more, in record.json</li>") == 120
